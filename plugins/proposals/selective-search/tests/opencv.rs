//! Agreement with OpenCV on the images of `fixtures/make.py`.

use image::{DynamicImage, RgbImage};
use serde::Deserialize;
use std::collections::HashSet;
use std::path::PathBuf;
use univip_core::geometry::BoundingBox;
use univip_selective_search::{ColourSpace, Mode, Parameters, PixelGraph, Planes, selective_search};

#[test]
fn colours_convert_as_in_opencv() {
    let colours = rgb("colours.png");
    for (space, name) in [
        (ColourSpace::Hsv, "hsv"),
        (ColourSpace::Lab, "lab"),
        (ColourSpace::Grey, "grey"),
        (ColourSpace::Hue, "hue"),
        (ColourSpace::Blue, "blue"),
        (ColourSpace::Rgi, "rgi"),
    ] {
        let expected = open(&format!("colours.{name}.png"));
        let channels = Planes::of(&colours, space).channels;
        let stride = channels.len();
        for (index, channel) in channels.iter().enumerate() {
            let expected: Vec<u8> = expected.as_bytes().iter().skip(index).step_by(stride).copied().collect();
            assert!(*channel == expected, "{name}, channel {index}");
        }
    }
}

#[test]
fn every_region_of_the_segmentation_is_opencvs() {
    for case in facts().segmentations {
        let planes = Planes::of(&rgb(&format!("{}.png", case.image)), case.space);
        let segmentation =
            PixelGraph::new(&planes, case.sigma, case.k..=case.k).segment(case.k, case.min_size);
        let expected: Vec<u32> =
            open(&case.labels).to_luma8().iter().map(|&label| u32::from(label)).collect();
        let count = expected.iter().max().map_or(0, |&last| last as usize + 1);
        assert_eq!(segmentation.count, count, "{}", case.labels);
        let differing = segmentation.labels.iter().zip(&expected).filter(|(ours, cv)| ours != cv).count();
        // Without noise many edges weigh the same, and OpenCV's sort leaves those in any order: a small region
        // may join another neighbour.
        let allowed = if case.image == "flat" { expected.len() / 1000 } else { 0 };
        assert!(differing <= allowed, "{differing} pixels of {}", case.labels);
    }
}

#[test]
fn boxes_are_opencvs() {
    for case in facts().boxes {
        let parameters = match case.mode {
            Mode::Fast => Parameters::fast(),
            Mode::Quality => Parameters::quality(),
        };
        let ours = selective_search(&rgb(&format!("{}.png", case.image)), &parameters);
        let theirs: Vec<BoundingBox> =
            case.boxes.iter().map(|&[x, y, width, height]| BoundingBox::new(x, y, width, height)).collect();
        let set = |boxes: &[BoundingBox]| boxes.iter().copied().collect::<HashSet<_>>();
        let (ours, theirs) = (set(&ours), set(&theirs));
        let odd = ours.symmetric_difference(&theirs).count();
        assert_eq!(
            odd,
            0,
            "boxes of {} {:?} in one list of {} and {}",
            case.image,
            case.mode,
            ours.len(),
            theirs.len()
        );
    }
}

#[derive(Deserialize)]
struct Facts {
    segmentations: Vec<SegmentationCase>,
    boxes: Vec<BoxCase>,
}

#[derive(Deserialize)]
struct SegmentationCase {
    image: String,
    space: ColourSpace,
    k: f32,
    sigma: f32,
    min_size: u32,
    labels: String,
}

#[derive(Deserialize)]
struct BoxCase {
    image: String,
    mode: Mode,
    boxes: Vec<[u32; 4]>,
}

fn facts() -> Facts {
    let text = std::fs::read_to_string(path("opencv.json")).expect("the fixture is there");
    serde_json::from_str(&text).expect("the fixture is as make.py writes it")
}

fn rgb(name: &str) -> RgbImage {
    open(name).to_rgb8()
}

fn open(name: &str) -> DynamicImage {
    let bytes = std::fs::read(path(name)).expect("the fixture is there");
    image::load_from_memory(&bytes).expect("it is an image")
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}
