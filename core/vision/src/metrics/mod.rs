//! Average precision and recall of detections: COCO's and PASCAL VOC's.
//!
//! ```
//! use univip_vision::metrics::coco::{Parameters, evaluate};
//! use univip_vision::metrics::{Detection, GroundTruth, IouType};
//!
//! let cat = [40.0, 30.0, 80.0, 60.0];
//! let truth = [GroundTruth::of_box(1, 0, cat)];
//! let found = [Detection { image: 1, class: 0, bounding_box: cat, score: 0.9, mask: None }];
//! let result = evaluate(&truth, &found, IouType::BoundingBox, 1, &Parameters::default())?;
//! assert!(result.summary.ap > 1.0 - 1e-9 && result.summary.ap_small == -1.0);
//! # anyhow::Ok(())
//! ```

mod check;
pub mod coco;
pub mod files;
pub mod instances;
mod numbers;
mod overlap;
mod polygon;
pub mod rle;
mod run_text;
pub mod segmentation;
mod unreadable;
pub mod voc;

pub use overlap::box_iou;

use rle::Rle;
use std::cmp::Ordering;

/// An annotated object, as metrics see it.
#[derive(Debug, Clone, PartialEq)]
pub struct GroundTruth {
    /// Its image's id. Images take part in the order of their ids, which decides between equal scores.
    pub image: u64,
    /// An index into the classes.
    pub class: usize,
    /// `[x, y, width, height]` in pixels, fractions and all.
    pub bounding_box: [f64; 4],
    /// Pixels, by which COCO tells small from large; COCO's is that of the mask, also for boxes.
    pub area: f64,
    /// A region of many objects (COCO's `iscrowd`): any number of detections may lie in it, and none of them counts.
    pub crowd: bool,
    /// Neither asked for nor counted against a detection that finds it (VOC's `difficult`).
    pub ignore: bool,
    /// Its pixels.
    pub mask: Option<Rle>,
}

impl GroundTruth {
    /// A single object that is known by its box alone.
    pub fn of_box(image: u64, class: usize, bounding_box: [f64; 4]) -> Self {
        let [_, _, width, height] = bounding_box;
        let (area, crowd, ignore, mask) = (width * height, false, false, None);
        Self { image, class, bounding_box, area, crowd, ignore, mask }
    }
}

/// A detection.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// The id of the image.
    pub image: u64,
    /// An index into the classes.
    pub class: usize,
    /// `[x, y, width, height]` in pixels, fractions and all.
    pub bounding_box: [f64; 4],
    /// The higher, the surer. Of equal ones in an image the first comes first.
    pub score: f64,
    /// Its pixels.
    pub mask: Option<Rle>,
}

/// The shapes that intersection over union is taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IouType {
    /// Boxes: AP^bb.
    BoundingBox,
    /// Masks: AP^mk.
    Segmentation,
}

impl IouType {
    /// COCO's name: `bbox` or `segm`.
    pub fn name(self) -> &'static str {
        match self {
            IouType::BoundingBox => "bbox",
            IouType::Segmentation => "segm",
        }
    }
}

/// The order of scores: the higher first.
fn surer(one: f64, other: f64) -> Ordering {
    other.partial_cmp(&one).unwrap_or(Ordering::Equal)
}

/// The places of each class's items, in order. Classes are below `classes`.
fn by_class(items: impl Iterator<Item = usize>, classes: usize) -> Vec<Vec<usize>> {
    let mut places = vec![Vec::new(); classes];
    items.enumerate().for_each(|(place, class)| places[class].push(place));
    places
}

/// The mean; -1 of nothing.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0_usize), |(sum, count), value| (sum + value, count + 1));
    if count == 0 { -1.0 } else { sum / count as f64 }
}
