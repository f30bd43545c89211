//! COCO's average precision and recall: the numbers of pycocotools' `COCOeval`.
//!
//! An object whose area is not in a size range, a crowd, and an object that is marked as ignored are *ignored* there:
//! they are not asked for, and a detection that finds one is neither right nor wrong. So is a detection that finds
//! nothing and has an area out of the range itself.

mod curves;
mod matching;
mod parameters;
mod summary;

pub use parameters::{Parameters, SIZES};
pub use summary::Summary;

use super::{Detection, GroundTruth, IouType, by_class, check};
use anyhow::Result;
use curves::Curves;
use rayon::prelude::*;

/// The result of [`evaluate`].
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Over all classes that have an object.
    pub summary: Summary,
    /// Each class by itself.
    pub classes: Vec<ClassEvaluation>,
}

/// One class.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassEvaluation {
    /// Its twelve numbers; -1 where it has no object.
    pub summary: Summary,
    /// Its objects that are asked for, of all sizes.
    pub objects: usize,
    /// Its detections, before any limit.
    pub detections: usize,
    curves: Curves,
}

impl ClassEvaluation {
    /// The highest precision at each of the recalls or beyond it: at a threshold of IoU, a size range and a limit of
    /// detections, by their places in the parameters. Nothing where no object is asked for.
    pub fn precision(&self, threshold: usize, size: usize, limit: usize) -> &[f64] {
        self.curves.precision(threshold, size, limit)
    }

    /// The share of the objects that is found; -1 where none is asked for.
    pub fn recall(&self, threshold: usize, size: usize, limit: usize) -> f64 {
        self.curves.recall(threshold, size, limit)
    }
}

/// Measures detections against what is annotated, for `classes` classes.
///
/// An image without detections needs no mention; one without objects neither, and its detections are wrong. The order
/// of the arguments matters only between equal scores in one image and equal overlaps. The result does not depend on
/// the number of threads.
///
/// # Errors
/// A class that is not below `classes`, a score or a box that is no number, and, for [`IouType::Segmentation`], a
/// missing mask or masks of one image that differ in size: with the image, and how many there are.
pub fn evaluate(
    truth: &[GroundTruth],
    detections: &[Detection],
    kind: IouType,
    classes: usize,
    parameters: &Parameters,
) -> Result<Evaluation> {
    parameters.check()?;
    check::numbers(truth, detections, classes)?;
    if kind == IouType::Segmentation {
        check::masks(truth, detections)?;
    }
    let truth_of = by_class(truth.iter().map(|object| object.class), classes);
    let found_of = by_class(detections.iter().map(|found| found.class), classes);
    let classes: Vec<ClassEvaluation> = (truth_of.par_iter().zip(&found_of).with_max_len(1))
        .map(|(objects, found)| {
            let truth: Vec<&GroundTruth> = objects.iter().map(|&place| &truth[place]).collect();
            let found: Vec<&Detection> = found.iter().map(|&place| &detections[place]).collect();
            let matched = matching::matched(truth, found, kind, parameters);
            let curves = Curves::new(&matched, parameters);
            ClassEvaluation {
                summary: Summary::of(std::iter::once(&curves), parameters),
                objects: matched.objects[0],
                detections: matched.detections,
                curves,
            }
        })
        .collect();
    let summary = Summary::of(classes.iter().map(|class| &class.curves), parameters);
    Ok(Evaluation { summary, classes })
}
