//! Batches of data that breaks: what is skipped, what stops a run, and that nothing hangs.

use anyhow::{Result, anyhow};
use image::RgbImage;
use std::sync::Arc;
use univip_core::dataset::Dataset;
use univip_core::error::ImageError;
use univip_core::geometry::BoundingBox;
use univip_core::recipe::{AugmentSettings, BrokenImage, LoaderSettings};
use univip_core::seed::Stream;
use univip_core::views::augment::Renderer;
use univip_core::views::loader::Loader;
use univip_core::views::{Batch, BatchMaker, EpochOrder, Group, SCENE, Subject, ViewPlan, ViewSampler};

const IMAGES: usize = 8;

/// The fault of image 3.
#[derive(Clone, Copy, PartialEq)]
enum Third {
    Whole,
    Truncated,
    AllTruncated,
    Bug,
    Panic,
}

struct Greys(Third);

impl Dataset for Greys {
    fn len(&self) -> usize {
        IMAGES
    }
    fn id(&self, index: usize) -> String {
        format!("grey {index}")
    }
    fn image(&self, index: usize) -> Result<RgbImage, ImageError> {
        let (path, problem) = (format!("{index}.jpg").into(), "is truncated".into());
        match (self.0, index) {
            (Third::AllTruncated, _) | (Third::Truncated, 3) => Err(ImageError::Broken { path, problem }),
            (Third::Bug, 3) => Err(anyhow!("a mistake in the plugin").into()),
            (Third::Panic, 3) => panic!("a mistake in the plugin"),
            _ => Ok(RgbImage::from_pixel(40, 40, image::Rgb([index as u8 * 20; 3]))),
        }
    }
    fn digest(&self) -> String {
        "greys".into()
    }
}

/// Crops the same box of every image.
struct Always(BoundingBox);

impl ViewSampler for Always {
    fn groups(&self) -> Vec<Group> {
        vec![Group::new(SCENE, &["view1".into(), "view2".into()], 32)]
    }

    fn sample(&self, _: &Subject<'_>, _: &mut Stream) -> Result<ViewPlan> {
        Ok(ViewPlan::of_scenes_and_instances([self.0, self.0], Vec::new(), 0))
    }
}

/// All batches of one epoch of two, made by `workers` threads.
fn epoch(third: Third, broken: BrokenImage, crop: BoundingBox, workers: usize) -> Result<Vec<Batch>> {
    let maker = BatchMaker {
        dataset: Arc::new(Greys(third)),
        order: EpochOrder::new(IMAGES, 0),
        proposals: None,
        sampler: Box::new(Always(crop)),
        sampler_name: "always".into(),
        renderer: Renderer::new(&AugmentSettings::default()),
        rendered: [SCENE.to_string()].into(),
        broken,
        batch: 4,
        batches_per_epoch: 2,
    };
    let loader = LoaderSettings { workers, ..LoaderSettings::default() };
    Loader::new(Arc::new(maker), 0..2, &loader)?.collect()
}

const INSIDE: BoundingBox = BoundingBox { x: 0, y: 0, width: 36, height: 36 };

#[test]
fn each_image_comes_once_an_epoch() {
    let mut ids: Vec<String> = (epoch(Third::Whole, BrokenImage::Fail, INSIDE, 2).unwrap().iter())
        .flat_map(|batch| batch.ids.clone())
        .collect();
    ids.sort();
    assert_eq!(ids, (0..IMAGES).map(|index| format!("grey {index}")).collect::<Vec<_>>());
}

#[test]
fn another_image_stands_in_for_a_broken_one_and_the_file_is_named() {
    for workers in [1, 2] {
        let batches = epoch(Third::Truncated, BrokenImage::Skip, INSIDE, workers).unwrap();
        let ids: Vec<&String> = batches.iter().flat_map(|batch| &batch.ids).collect();
        let fourth = ids.iter().filter(|id| **id == "grey 4").count();
        assert_eq!((ids.len(), fourth), (IMAGES, 2), "the next one comes twice");
        let skipped: Vec<&String> = batches.iter().flat_map(|batch| &batch.skipped).collect();
        assert!(matches!(skipped[..], [reason] if reason.contains("3.jpg") && reason.contains("truncated")));
    }
}

#[test]
fn what_cannot_go_on_stops_with_the_image() {
    let outside = BoundingBox { width: 41, ..INSIDE };
    let cases: [(Third, BrokenImage, BoundingBox, &[&str]); 5] = [
        (Third::Truncated, BrokenImage::Fail, INSIDE, &["3.jpg", "truncated"]),
        (Third::AllTruncated, BrokenImage::Skip, INSIDE, &["not one of the 8 images", ".jpg"]),
        (Third::Bug, BrokenImage::Skip, INSIDE, &["grey 3", "a mistake in the plugin"]),
        (Third::Panic, BrokenImage::Skip, INSIDE, &["panicked"]),
        (Third::Whole, BrokenImage::Skip, outside, &["grey ", "view sampler", "40 x 40"]),
    ];
    for (third, broken, crop, expected) in cases {
        let error = format!("{:#}", epoch(third, broken, crop, 2).err().unwrap());
        assert!(expected.iter().all(|part| error.contains(part)), "{error}: expected {expected:?}");
    }
}
