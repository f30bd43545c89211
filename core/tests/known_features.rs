//! Features are computed once for all evaluators of a backbone.

mod common;

use anyhow::Result;
use candle_core::{Device, Tensor};
use image::{Rgb, RgbImage};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use univip_core::dataset::Dataset;
use univip_core::error::ImageError;
use univip_core::evaluate::{EvaluationContext, FrozenBackbone, KnownFeatures, Rows};
use univip_core::nn::Parameters;
use univip_core::recipe::{AugmentSettings, BrokenImage};
use univip_core::skipped::Skipped;
use univip_core::views::augment::Renderer;

/// Greys that count how often they are read; the images from `broken` on cannot be.
struct Greys {
    name: &'static str,
    broken: usize,
    read: AtomicUsize,
}

impl Greys {
    fn new(name: &'static str, broken: usize) -> Self {
        Self { name, broken, read: AtomicUsize::new(0) }
    }

    fn read(&self) -> usize {
        self.read.load(Ordering::Relaxed)
    }
}

impl Dataset for Greys {
    fn len(&self) -> usize {
        70
    }

    fn id(&self, index: usize) -> String {
        format!("{} {index}", self.name)
    }

    fn image(&self, index: usize) -> Result<RgbImage, ImageError> {
        self.read.fetch_add(1, Ordering::Relaxed);
        if index >= self.broken {
            return Err(ImageError::Broken { path: self.id(index).into(), problem: "is empty".into() });
        }
        Ok(RgbImage::from_pixel(32, 32, Rgb([3 * index as u8; 3])))
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn digest(&self) -> String {
        self.name.into()
    }
}

/// The rows, and how many images were skipped for them.
fn ask(backbone: &FrozenBackbone, known: &KnownFeatures, dataset: &Greys) -> Result<(Rows, usize)> {
    let (rows, skipped) = try_to_ask(backbone, known, dataset);
    Ok((rows?, skipped))
}

fn try_to_ask(backbone: &FrozenBackbone, known: &KnownFeatures, dataset: &Greys) -> (Result<Rows>, usize) {
    let skipped = Skipped::new(BrokenImage::Skip);
    let mut context = EvaluationContext {
        backbone,
        train: dataset,
        val: dataset,
        scenes: &|_| Ok(Arc::new(Greys::new("none", 0))),
        renderer: &Renderer::new(&AugmentSettings::default()),
        known,
        skipped: &skipped,
        seed: 0,
        image_size: 32,
        progress: &mut |_, _, _| {},
    };
    let rows = context.features(dataset, "features");
    (rows, skipped.count())
}

fn bits(values: &Tensor) -> Result<Vec<u32>> {
    Ok(values.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f32::to_bits).collect())
}

#[test]
fn another_evaluator_has_the_same_features_without_reading_an_image() -> Result<()> {
    let parameters = Parameters::new(0, &Device::Cpu);
    let backbone = FrozenBackbone::new(&common::small(4), &parameters.frozen())?;
    let (known, train) = (KnownFeatures::default(), Greys::new("train", 69));
    let (first, first_skipped) = ask(&backbone, &known, &train)?;
    assert_eq!((first.indices.len(), first_skipped, train.read()), (69, 1, 70));
    let (again, again_skipped) = ask(&backbone, &known, &train)?;
    assert_eq!(bits(&again.values)?, bits(&first.values)?);
    assert_eq!(again.indices, first.indices);
    assert_eq!((again_skipped, train.read()), (1, 70), "skipped images count for each evaluator");
    let val = Greys::new("val", 70);
    let (other, _) = ask(&backbone, &known, &val)?;
    assert_eq!((other.indices.len(), val.read()), (70, 70), "another split has features of its own");
    ask(&backbone, &KnownFeatures::default(), &train)?;
    assert_eq!(train.read(), 140, "and so has another backbone, which is measured with nothing known");
    Ok(())
}

#[test]
fn images_that_were_skipped_before_an_error_are_counted() -> Result<()> {
    let parameters = Parameters::new(0, &Device::Cpu);
    let backbone = FrozenBackbone::new(&common::small(4), &parameters.frozen())?;
    let (rows, skipped) = try_to_ask(&backbone, &KnownFeatures::default(), &Greys::new("train", 0));
    assert_eq!((rows.unwrap_err().to_string().as_str(), skipped), ("not one of 70 images can be read", 70));
    Ok(())
}
