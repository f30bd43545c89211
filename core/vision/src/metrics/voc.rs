//! PASCAL VOC's average precision, as its development kit and detectron2 compute it.
//!
//! Unlike COCO's, a detection is held against the object that it overlaps most, taken or not: a second detection of
//! an object is wrong even if it would do for another one. An ignored (difficult) object is not asked for, and any
//! number of detections may find it.

use super::{Detection, GroundTruth, box_iou};
use anyhow::Result;
use rayon::prelude::*;

/// The reduction of precisions to one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interpolation {
    /// The mean of the precisions at the recalls 0, 0.1, ... 1: VOC until 2009, and what VOC2007 is reported with.
    ElevenPoint,
    /// The area under the curve of the highest precision at each recall or beyond it: VOC from 2010.
    Area,
}

/// Average precisions, from 0 to 1; -1 where there is nothing to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The mean over IoU 0.5, 0.55, ... 0.95, of all classes that have an object.
    pub ap: f64,
    /// At IoU 0.5.
    pub ap50: f64,
    /// At IoU 0.75.
    pub ap75: f64,
    /// Each class by itself: its average precision at IoU 0.5, 0.55, ... 0.95.
    pub classes: Vec<[f64; THRESHOLDS]>,
}

/// The number of IoU 0.5, 0.55, ... 0.95.
pub const THRESHOLDS: usize = 10;

/// The percents of IoU that a right detection exceeds.
const PERCENTS: [u32; THRESHOLDS] = [50, 55, 60, 65, 70, 75, 80, 85, 90, 95];

/// Measures the boxes of detections against what is annotated, for `classes` classes. All detections count, however
/// many there are.
///
/// # Errors
/// A class that is not below `classes`, a score or a box that is no number: with the image, and how many there are.
pub fn evaluate(
    truth: &[GroundTruth],
    detections: &[Detection],
    classes: usize,
    interpolation: Interpolation,
) -> Result<Evaluation> {
    super::check::numbers(truth, detections, classes)?;
    let truth_of = super::by_class(truth.iter().map(|object| object.class), classes);
    let found_of = super::by_class(detections.iter().map(|found| found.class), classes);
    let classes: Vec<[f64; THRESHOLDS]> = (truth_of.par_iter().zip(&found_of).with_max_len(1))
        .map(|(objects, found)| {
            let truth: Vec<&GroundTruth> = objects.iter().map(|&place| &truth[place]).collect();
            let found: Vec<&Detection> = found.iter().map(|&place| &detections[place]).collect();
            average_precisions(truth, found, interpolation)
        })
        .collect();
    let mean = |thresholds: std::ops::Range<usize>| {
        super::mean(
            classes
                .iter()
                .flat_map(|class| class[thresholds.clone()].iter().copied())
                .filter(|&ap| ap > -1.0),
        )
    };
    Ok(Evaluation { ap: mean(0..THRESHOLDS), ap50: mean(0..1), ap75: mean(5..6), classes })
}

/// Of one class, at each threshold.
fn average_precisions(
    mut truth: Vec<&GroundTruth>,
    mut found: Vec<&Detection>,
    interpolation: Interpolation,
) -> [f64; THRESHOLDS] {
    let objects = truth.iter().filter(|object| !object.ignore).count();
    if objects == 0 {
        return [-1.0; THRESHOLDS];
    }
    truth.sort_by_key(|object| object.image);
    found.sort_by(|one, other| super::surer(one.score, other.score).then(one.image.cmp(&other.image)));
    let nearest: Vec<Option<(usize, f64)>> = found.iter().map(|one| nearest(one, &truth)).collect();
    PERCENTS.map(|percent| {
        let threshold = f64::from(percent) / 100.0;
        let mut taken = vec![false; truth.len()];
        let (mut hits, mut misses) = (0_usize, 0_usize);
        // Recall and precision down to each detection.
        let mut curve = Vec::with_capacity(found.len());
        for nearest in &nearest {
            match *nearest {
                Some((place, overlap)) if overlap > threshold => {
                    if truth[place].ignore {
                    } else if std::mem::replace(&mut taken[place], true) {
                        misses += 1;
                    } else {
                        hits += 1;
                    }
                }
                _ => misses += 1,
            }
            let precision = hits as f64 / ((hits + misses) as f64).max(f64::EPSILON);
            curve.push((hits as f64 / objects as f64, precision));
        }
        match interpolation {
            Interpolation::ElevenPoint => eleven_points(&curve),
            Interpolation::Area => area(curve),
        }
    })
}

/// The object of its image that a detection overlaps most; of equal ones the first.
fn nearest(found: &Detection, truth: &[&GroundTruth]) -> Option<(usize, f64)> {
    let from = truth.partition_point(|object| object.image < found.image);
    let here = truth[from..].iter().take_while(|object| object.image == found.image);
    let overlaps = here.map(|object| box_iou(found.bounding_box, object.bounding_box, false));
    let mut best = None;
    for (place, overlap) in (from..).zip(overlaps) {
        if best.is_none_or(|(_, most)| overlap > most) {
            best = Some((place, overlap));
        }
    }
    best
}

fn eleven_points(curve: &[(f64, f64)]) -> f64 {
    // Steps of `numpy.arange(0, 1.1, 0.1)`: the fourth is a little above 0.3, and a recall of 0.3 is below it.
    let at = |step: u32| {
        let recall = f64::from(step) * 0.1;
        curve.iter().filter(|point| point.0 >= recall).map(|point| point.1).fold(0.0, f64::max)
    };
    (0..=10).map(|step| at(step) / 11.0).sum()
}

fn area(mut curve: Vec<(f64, f64)>) -> f64 {
    for place in (1..curve.len()).rev() {
        curve[place - 1].1 = curve[place - 1].1.max(curve[place].1);
    }
    let mut last = 0.0;
    curve.iter().map(|&(recall, precision)| (recall - std::mem::replace(&mut last, recall)) * precision).sum()
}
