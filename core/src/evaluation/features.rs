//! The pooled features of the images that are measured on, computed once for all evaluators that ask for them.

use super::canvas::{Rows, enough};
use super::evaluate::EvaluationContext;
use crate::data::skipped::Skipped;
use crate::dataset::Dataset;
use anyhow::{Result, ensure};
use candle_core::Tensor;
use image::RgbImage;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The most features that are kept: those of 130,000 images by a ResNet-50.
const KEPT: usize = 1 << 28;

/// The features of splits by one backbone. Evaluators that measure it one after the other compute them once, where they are no
/// more than a gigabyte.
#[derive(Debug, Default)]
pub struct KnownFeatures {
    /// By [`Dataset::identity`].
    splits: RefCell<BTreeMap<String, Known>>,
}

#[derive(Debug)]
struct Known {
    rows: Rows,
    skipped: Skipped,
}

impl KnownFeatures {
    fn keep(&self, split: String, known: Known) {
        let mut splits = self.splits.borrow_mut();
        let all = splits.values().chain([&known]);
        if all.map(|known| known.rows.values.elem_count()).sum::<usize>() <= KEPT {
            splits.insert(split, known);
        }
    }
}

impl EvaluationContext<'_> {
    /// The pooled features of every image of a split that can be read, without augmentation: short side resized, centre
    /// cropped. `[N, F]`.
    ///
    /// # Errors
    /// When an image is broken and `loader.broken` is `fail`, when a class has none left, or a feature is not finite.
    pub fn features(&mut self, dataset: &dyn Dataset, task: &str) -> Result<Rows> {
        let split = dataset.identity();
        if let Some(known) = self.known.splits.borrow().get(&split) {
            self.skipped.add(&known.skipped);
            return Ok(known.rows.clone());
        }
        let skipped = self.skipped.another();
        let rows = self.compute(dataset, task, &skipped);
        // An error is told together with the images that were skipped before it.
        self.skipped.add(&skipped);
        let rows = rows?;
        self.known.keep(split, Known { rows: rows.clone(), skipped });
        Ok(rows)
    }

    fn compute(&mut self, dataset: &dyn Dataset, task: &str, skipped: &Skipped) -> Result<Rows> {
        /// Images a forward pass: enough to keep every core busy, few enough for any memory.
        const BATCH: usize = 64;
        let (renderer, side, total) = (self.renderer, self.image_size, dataset.len() as u64);
        let all: Vec<usize> = (0..dataset.len()).collect();
        let (mut parts, mut indices) = (Vec::new(), Vec::new());
        for (number, batch) in all.chunks(BATCH).enumerate() {
            let render = |image: &RgbImage, _, out: &mut [f32]| renderer.plain(image, side, out);
            let images = self.canvas(skipped).render(dataset, batch, &render)?;
            (self.progress)(total.min(((number + 1) * BATCH) as u64), total, task);
            if images.indices.is_empty() {
                continue;
            }
            let features = self.backbone.features(&images.values)?;
            let sum = features.sqr()?.sum_all()?.to_scalar::<f32>()?;
            ensure!(sum.is_finite(), "the backbone's features are not finite: its training has diverged");
            parts.push(features);
            indices.extend(images.indices);
        }
        enough(dataset, &all, &indices)?;
        Ok(Rows { values: Tensor::cat(&parts, 0)?, indices })
    }
}
