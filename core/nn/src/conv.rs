//! The convolution layer.

use super::ops::Map;
use super::{Init, Scope, ops};
use anyhow::Result;
use candle_core::Tensor;

/// A convolution without bias, with the parameter `weight`, stored as `[O, kh, kw, I]`.
pub struct Conv2d {
    weight: Tensor,
    stride: usize,
    padding: usize,
}

impl Conv2d {
    /// A square convolution, padded so that stride 1 keeps the size. Initial values are He's (2015) for
    /// ReLU in the mode "fan out", as torchvision's ResNet.
    pub fn new(inputs: usize, outputs: usize, kernel: usize, stride: usize, scope: &Scope) -> Result<Self> {
        let fan_out = outputs * kernel * kernel;
        let init = Init::Normal { std: (2.0 / fan_out as f32).sqrt() };
        let weight = scope.weight("weight", (outputs, kernel, kernel, inputs), init)?;
        Ok(Self { weight, stride, padding: kernel / 2 })
    }

    /// `[B, H, W, I]` to `[B, H / stride, W / stride, O]`, sizes rounded up for odd kernels.
    pub fn forward(&self, x: &Map) -> Result<Map> {
        Ok(ops::conv2d(x, &self.weight, self.stride, self.padding)?)
    }
}
