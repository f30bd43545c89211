//! The linear layer.

use super::ops::Map;
use super::{Init, Scope, ops};
use anyhow::Result;
use candle_core::Tensor;

/// A linear map with the parameter `weight` `[O, I]` and, if it has one, `bias` `[O]`.
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// With a bias. Initial values are PyTorch's: uniform within `1 / sqrt(inputs)` of 0.
    pub fn new(inputs: usize, outputs: usize, scope: &Scope) -> Result<Self> {
        let bias = scope.bias("bias", outputs, initial(inputs))?;
        Ok(Self { bias: Some(bias), ..Self::without_bias(inputs, outputs, scope)? })
    }

    /// With a bias that starts at 0 and a weight that starts as `init` says.
    pub fn with_init(inputs: usize, outputs: usize, init: Init, scope: &Scope) -> Result<Self> {
        let bias = scope.bias("bias", outputs, Init::Constant(0.0))?;
        Ok(Self { weight: scope.weight("weight", (outputs, inputs), init)?, bias: Some(bias) })
    }

    /// Without a bias.
    pub fn without_bias(inputs: usize, outputs: usize, scope: &Scope) -> Result<Self> {
        Ok(Self { weight: scope.weight("weight", (outputs, inputs), initial(inputs))?, bias: None })
    }

    /// `[B, I]` to `[B, O]`.
    pub fn forward(&self, x: &Map) -> Result<Map> {
        let y = ops::linear(x, &self.weight)?;
        match &self.bias {
            Some(bias) => Ok(Map::of(&y.tensor()?.broadcast_add(bias)?)?),
            None => Ok(y),
        }
    }
}

fn initial(inputs: usize) -> Init {
    Init::Uniform { bound: 1.0 / (inputs as f32).sqrt() }
}
