//! The heads of online and target network.

use super::ops::Map;
use super::{BatchNorm, Linear, Mode, Scope};
use anyhow::Result;
use candle_core::Tensor;

/// Projector and predictor: linear, batch norm, ReLU, linear without bias (Grill et al. 2020).
///
/// Parameters are named as PyTorch's `nn.Sequential` names them: `0`, `1` and `3`.
pub struct Mlp {
    hidden: Linear,
    norm: BatchNorm,
    output: Linear,
}

impl Mlp {
    /// From `input` features through `hidden` units to `output` features.
    pub fn new(input: usize, hidden: usize, output: usize, scope: &Scope) -> Result<Self> {
        Ok(Self {
            hidden: Linear::new(input, hidden, &scope.enter(0))?,
            norm: BatchNorm::new(hidden, &scope.enter(1))?,
            output: Linear::without_bias(hidden, output, &scope.enter(3))?,
        })
    }

    /// `[B, input]` to `[B, output]`.
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let hidden = self.norm.relu(&self.hidden.forward(&Map::of(x)?)?, mode)?;
        Ok(self.output.forward(&hidden)?.tensor()?)
    }
}
