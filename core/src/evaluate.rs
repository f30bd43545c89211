//! The trait of evaluators: they measure a frozen backbone and never change it.

use crate::dataset::Dataset;
use crate::nn::Backbone;
use anyhow::Result;
use serde::{Deserialize, Serialize};

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
    /// The number of val images.
    pub images: usize,
}

/// What an evaluator is given.
pub struct EvaluationContext<'a> {
    /// The frozen backbone, in evaluation mode.
    pub backbone: &'a FrozenBackbone,
    /// What a classifier may learn from.
    pub train: &'a dyn Dataset,
    /// What is measured.
    pub val: &'a dyn Dataset,
    /// The run's seed.
    pub seed: u64,
    /// The side of the images that the backbone sees, in pixels.
    pub image_size: u32,
    /// Reports progress: done, total, and what is being done.
    pub progress: &'a mut dyn FnMut(u64, u64, &str),
}

/// A way to measure a backbone.
pub trait Evaluator {
    /// The numbers it measures on `context.val`.
    fn evaluate(&self, context: EvaluationContext<'_>) -> Result<Vec<Metric>>;
}

/// A backbone in evaluation mode whose parameters nobody can reach: running statistics, no graph.
pub struct FrozenBackbone(Backbone);

impl FrozenBackbone {
    /// Freezes a backbone built with [`crate::nn::Scope::frozen`] parameters.
    pub fn new(backbone: Backbone) -> Self {
        Self(backbone)
    }

    /// Global-average-pooled features. Images `[B, H, W, 3]`, normalised; features `[B, F]`.
    pub fn features(&self, images: &candle_core::Tensor) -> Result<candle_core::Tensor> {
        Ok(self.0.forward(images, crate::nn::Mode::Eval)?.detach())
    }

    /// The maps after each of the four stages, `[B, H_i, W_i, C_i]`.
    pub fn stages(&self, images: &candle_core::Tensor) -> Result<Vec<candle_core::Tensor>> {
        let maps = self.0.stages(images, crate::nn::Mode::Eval)?;
        Ok(maps.into_iter().map(|map| map.detach()).collect())
    }

    /// F, the size of [`FrozenBackbone::features`].
    pub fn feature_size(&self) -> usize {
        self.0.feature_size()
    }

    /// The device that images must be on.
    pub fn device(&self) -> &candle_core::Device {
        self.0.device()
    }
}
