//! ResNet-18 and ResNet-50 (stub, being written).
use super::Mode;
use anyhow::Result;
use candle_core::{Device, Tensor};

/// A backbone.
pub struct Backbone;

impl Backbone {
    /// Pooled features `[B, F]`.
    pub fn forward(&self, _images: &Tensor, _mode: Mode) -> Result<Tensor> {
        anyhow::bail!("stub")
    }
    /// Maps after each stage.
    pub fn stages(&self, _images: &Tensor, _mode: Mode) -> Result<Vec<Tensor>> {
        anyhow::bail!("stub")
    }
    /// F.
    pub fn feature_size(&self) -> usize {
        0
    }
    /// The device of the parameters.
    pub fn device(&self) -> &Device {
        &Device::Cpu
    }
}
