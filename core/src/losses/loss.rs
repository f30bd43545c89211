//! The trait of losses.

use crate::features::Features;
use crate::nn::Scope;
use anyhow::Result;
use candle_core::Tensor;

/// A term of the total loss (Eq. 12): a function of [`Features`].
///
/// It may own parameters (optimised, not in the EMA) and buffers (checkpointed), which it makes in its
/// builder from [`LossContext::parameters`]; it never runs the networks.
pub trait Loss {
    /// The term for one batch: the mean over the batch's images.
    fn compute(&self, features: &Features) -> Result<LossTerm>;

    /// Called once after each optimiser step, with the last batch's features: the place to fill a queue.
    fn after_step(&self, _features: &Features) -> Result<()> {
        Ok(())
    }
}

/// The value of a loss and what is worth logging beside it.
#[derive(Debug, Clone)]
pub struct LossTerm {
    /// The loss, a scalar with its graph.
    pub value: Tensor,
    /// Named numbers to log (without a graph): the plan's diagonal mass, a similarity.
    pub diagnostics: Vec<(&'static str, f32)>,
}

impl From<Tensor> for LossTerm {
    fn from(value: Tensor) -> Self {
        Self { value, diagnostics: Vec::new() }
    }
}

/// What a loss is built with, besides its own table of the recipe.
pub struct LossContext {
    /// Where its parameters and buffers live; names come out as `loss.<name>.<parameter>`.
    pub parameters: Scope,
    /// D, the projector's output size.
    pub feature_size: usize,
    /// K, the number of instances an image.
    pub instances: usize,
}
