//! The trait of evaluators: they measure a frozen backbone and never change it.

pub use super::canvas::{Canvas, Render, Rows, enough};
pub use super::features::KnownFeatures;
use crate::data::skipped::Skipped;
use crate::dataset::{Dataset, Split};
use crate::error::NotApplicable;
pub use crate::nn::FrozenBackbone;
use crate::views::augment::Renderer;
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One measured number, with what one must know to compare it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// `top1`, `top5`, ...: in percent where it is a share.
    pub name: String,
    /// The number.
    pub value: f64,
    /// The exact procedure, by name.
    pub protocol: String,
    /// The digests of the train and val splits, joined by `-`.
    pub split: String,
    /// The number of val images that were measured.
    pub images: usize,
    /// The images, of train and val, that could not be read and were skipped.
    #[serde(default, skip_serializing_if = "none")]
    pub skipped: usize,
}

fn none(count: &usize) -> bool {
    *count == 0
}

/// The inputs of an evaluator.
pub struct EvaluationContext<'a> {
    /// The frozen backbone, in evaluation mode.
    pub backbone: &'a FrozenBackbone,
    /// The images that a classifier may learn from.
    pub train: &'a dyn Dataset,
    /// The images that are measured on.
    pub val: &'a dyn Dataset,
    /// Opens a split of what the backbone learned from, for measurements that need its annotations.
    pub scenes: &'a Scenes<'a>,
    /// Draws images as the backbone is used to see them.
    pub renderer: &'a Renderer,
    /// Skips broken images, as `loader.broken` says: all reading goes through it.
    pub skipped: &'a Skipped,
    /// The run's seed.
    pub seed: u64,
    /// The side of the images that the backbone sees, in pixels.
    pub image_size: u32,
    /// The features that evaluators before this one have computed of the same backbone.
    pub known: &'a KnownFeatures,
    /// Reports progress: done, total, and what is being done.
    pub progress: &'a mut dyn FnMut(u64, u64, &str),
}

/// Opens a split of what the backbone learned from, with annotations of the images as they are.
pub type Scenes<'a> = dyn Fn(Split) -> Result<Arc<dyn Dataset>> + 'a;

impl EvaluationContext<'_> {
    /// The images at `indices`, rendered by `render`, on the backbone's device. `[B, S, S, 3]`.
    ///
    /// # Errors
    /// As [`Canvas::render`].
    pub fn images(&self, dataset: &dyn Dataset, indices: &[usize], render: &Render<'_>) -> Result<Rows> {
        self.canvas(self.skipped).render(dataset, indices, render)
    }

    pub(super) fn canvas<'s>(&'s self, skipped: &'s Skipped) -> Canvas<'s> {
        Canvas { size: self.image_size, device: self.backbone.device(), skipped }
    }

    /// [`Metric::split`] of numbers measured here.
    pub fn split(&self) -> String {
        format!("{}-{}", self.train.identity(), self.val.identity())
    }
}

/// The labels of a split whose classes are `classes`.
///
/// # Errors
/// [`NotApplicable`], naming what is missing: images, classes, a label. A label that is no class.
pub fn labels(dataset: &dyn Dataset, split: &str) -> Result<Vec<u32>> {
    let classes = dataset.classes().len();
    let missing = |problem: String| -> anyhow::Error {
        let remedy = "set probe_data.use to a dataset with one class per image";
        NotApplicable(format!("{problem}: {remedy}")).into()
    };
    if dataset.is_empty() {
        return Err(missing(format!("the {split} split of the probe data has no image")));
    }
    if classes < 2 {
        return Err(missing(format!(
            "the {split} split of the probe data ({} images, the first is {}) has {classes} classes, expected at least 2",
            dataset.len(),
            dataset.id(0)
        )));
    }
    let label = |index| match dataset.label(index) {
        Some(label) if label < classes => Ok(label as u32),
        Some(label) => {
            bail!("image {} of the {split} split has class {label} of {classes}", dataset.id(index))
        }
        None => Err(missing(format!(
            "image {} of the {split} split of the probe data has no label",
            dataset.id(index)
        ))),
    };
    (0..dataset.len()).map(label).collect()
}

/// Counts the images whose class is among those with the highest scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Accuracy {
    classes: usize,
    images: usize,
    /// Images whose class has the highest score, and is among the five highest.
    hits: [usize; 2],
}

impl Accuracy {
    /// The names of the metrics that [`Accuracy::metrics`] returns; `top5` only where there are more than five classes.
    pub const NAMES: [&str; 2] = ["top1", "top5"];

    /// Nothing counted yet.
    pub fn new(classes: usize) -> Self {
        Self { classes, images: 0, hits: [0; 2] }
    }

    /// Counts: images, those whose class came first, and those where it was among the first five.
    pub fn counts(&self) -> [u32; 3] {
        [self.images, self.hits[0], self.hits[1]].map(|count| count as u32)
    }

    /// Goes on from [`Accuracy::counts`].
    pub fn resumed(classes: usize, counts: [u32; 3]) -> Self {
        let [images, first, among_five] = counts.map(|count| count as usize);
        Self { classes, images, hits: [first, among_five] }
    }

    /// Counts one image by the scores of the classes. Of equal scores the lower class comes first, so
    /// that scores that are all the same never count for more than one class.
    pub fn count(&mut self, scores: &[f32], label: u32) {
        let label = label as usize;
        let own = scores[label];
        // A score that is not a number is no hit.
        let before = |(class, score): (usize, &f32)| !(*score < own || (*score == own && class >= label));
        let rank =
            scores.iter().enumerate().filter(|(class, _)| *class != label).filter(|it| before(*it)).count();
        self.images += 1;
        self.hits[0] += usize::from(rank < 1);
        self.hits[1] += usize::from(rank < 5);
    }

    /// The number of images counted.
    pub fn images(&self) -> usize {
        self.images
    }

    /// The share of images whose class came first, in percent.
    pub fn top1(&self) -> f64 {
        100.0 * self.hits[0] as f64 / self.images.max(1) as f64
    }

    /// `top1`, and `top5` where there are more than five classes.
    pub fn metrics(&self, protocol: &str, split: &str) -> Vec<Metric> {
        let metric = |name: &str, hits: usize| Metric {
            name: name.into(),
            value: 100.0 * hits as f64 / self.images.max(1) as f64,
            protocol: protocol.into(),
            split: split.into(),
            images: self.images,
            skipped: 0,
        };
        let mut metrics = vec![metric(Self::NAMES[0], self.hits[0])];
        if self.classes > 5 {
            metrics.push(metric(Self::NAMES[1], self.hits[1]));
        }
        metrics
    }
}

/// A way to measure a backbone.
pub trait Evaluator {
    /// The numbers it measures on `context.val`.
    fn evaluate(&self, context: EvaluationContext<'_>) -> Result<Vec<Metric>>;

    /// The names of all metrics that [`Evaluator::evaluate`] may return, with these settings or any others. A table's column of
    /// another one is refused before anything is trained.
    fn metrics(&self) -> Vec<String>;

    /// Looks at the data that it will measure on, if it opens any: called before the training, since what is wrong with it
    /// would else be found out at its end. Returns what a person should know, a sentence each.
    ///
    /// # Errors
    /// When it cannot be measured on; [`NotApplicable`] when there is nothing to measure.
    fn check(&self, _scenes: &Scenes<'_>) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// True if it measures on the probe data. It is then left out where there is none, or no val split of it.
    fn uses_probe_data(&self) -> bool {
        true
    }

    /// The version of its protocols' code. Raise it when the same settings give other numbers than before: what was measured by
    /// an earlier version is then another measurement, and is made anew.
    fn version(&self) -> u32 {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_counts_ranks_and_gives_nothing_for_equal_scores() {
        let mut accuracy = Accuracy::new(7);
        let cases: [(&[f32], u32); 5] = [
            (&[0.0, 9.0, 1.0, 2.0, 3.0, 4.0, 5.0], 1), // first
            (&[5.0, 9.0, 1.0, 2.0, 3.0, 4.0, 5.0], 4), // fifth
            (&[5.0, 9.0, 1.0, 2.0, 3.0, 4.0, 5.0], 3), // sixth
            (&[1.0; 7], 6),                            // last of equals
            (&[f32::NAN; 7], 0),
        ];
        for (scores, label) in cases {
            accuracy.count(scores, label);
        }
        let metrics = accuracy.metrics("test", "a-b");
        let found: Vec<_> = metrics.iter().map(|metric| (metric.name.as_str(), metric.value)).collect();
        assert_eq!(found, [("top1", 20.0), ("top5", 40.0)]);
        assert_eq!(Accuracy::new(5).metrics("test", "a-b").len(), 1);
    }
}
