//! Masks and average precisions against pycocotools' numbers (`fixtures/metrics/make.py`).

mod coco;
mod coco_mini;
mod instances;
mod masks;
mod voc;

use serde::de::DeserializeOwned;
use std::path::Path;
use univip_vision::geometry::Size;
use univip_vision::metrics::rle::Rle;
use univip_vision::metrics::{Detection, GroundTruth};

/// The size of the images that detections are in.
const IMAGE: Size = Size { width: 240, height: 180 };

fn fixture<T: DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/metrics").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// `[image, class, x, y, width, height, area, crowd]`, and a mask perhaps.
#[derive(serde::Deserialize, Clone)]
#[serde(untagged)]
enum Object {
    Boxed(u64, usize, f64, f64, f64, f64, f64, u8),
    Masked(u64, usize, f64, f64, f64, f64, f64, u8, String),
}

impl Object {
    fn ground_truth(&self) -> GroundTruth {
        let (&image, &class, bounding_box, &area, &crowd, mask) = match self {
            Object::Boxed(image, class, x, y, w, h, area, crowd) => {
                (image, class, [*x, *y, *w, *h], area, crowd, None)
            }
            Object::Masked(image, class, x, y, w, h, area, crowd, mask) => {
                (image, class, [*x, *y, *w, *h], area, crowd, Some(mask))
            }
        };
        let mask = mask.map(|text| Rle::from_compressed(IMAGE, text).unwrap());
        GroundTruth { image, class, bounding_box, area, crowd: crowd == 1, ignore: false, mask }
    }
}

/// `[image, class, x, y, width, height, score]`, and a mask perhaps.
#[derive(serde::Deserialize, Clone)]
#[serde(untagged)]
enum Found {
    Boxed(u64, usize, f64, f64, f64, f64, f64),
    Masked(u64, usize, f64, f64, f64, f64, f64, String),
}

impl Found {
    fn detection(&self) -> Detection {
        let (&image, &class, bounding_box, &score, mask) = match self {
            Found::Boxed(image, class, x, y, w, h, score) => (image, class, [*x, *y, *w, *h], score, None),
            Found::Masked(image, class, x, y, w, h, score, mask) => {
                (image, class, [*x, *y, *w, *h], score, Some(mask))
            }
        };
        let mask = mask.map(|text| Rle::from_compressed(IMAGE, text).unwrap());
        Detection { image, class, bounding_box, score, mask }
    }
}

/// Within 1e-9 of each other, one by one.
#[track_caller]
fn assert_close(ours: &[f64], expected: &[f64], what: &str) {
    assert_eq!(ours.len(), expected.len(), "{what}");
    for (place, (one, other)) in ours.iter().zip(expected).enumerate() {
        assert!((one - other).abs() < 1e-9, "{what}: number {place} is {one}, expected {other}");
    }
}
