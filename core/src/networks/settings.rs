//! `[network]` and `[target]` of a recipe.

use crate::nn::{BackboneKind, BackboneShape};
use serde::{Deserialize, Serialize};
use univip_stdx::config::{Config, Invalid, at_least, within};

/// `[network]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSettings {
    /// The backbone.
    pub backbone: BackboneKind,
    /// Channels of the stem; 64 is the published network.
    pub width: usize,
    /// Whether the last batch norm of each residual block starts at 0 (torchvision's `zero_init_residual`).
    pub zero_init_residual: bool,
    /// Hidden units of projector and predictor.
    pub hidden: usize,
    /// D, the outputs of projector and predictor.
    pub output: usize,
    /// Whether each of an image's K instances is a batch of its own for batch norm, as each scene view is,
    /// or all of them together; the paper leaves it open.
    pub instance_batch_norm: InstanceBatchNorm,
}

impl From<&NetworkSettings> for BackboneShape {
    fn from(settings: &NetworkSettings) -> Self {
        let NetworkSettings { backbone, width, zero_init_residual, .. } = *settings;
        Self { backbone, width, zero_init_residual }
    }
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            backbone: BackboneKind::ResNet50,
            width: 64,
            zero_init_residual: false,
            hidden: 4096,
            output: 256,
            instance_batch_norm: InstanceBatchNorm::Each,
        }
    }
}

impl Config for NetworkSettings {
    fn check(&self) -> Result<(), Invalid> {
        at_least("width", self.width as u64, 1)?;
        at_least("hidden", self.hidden as u64, 1)?;
        at_least("output", self.output as u64, 1)
    }
}

/// Over what batch norm takes the statistics of instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceBatchNorm {
    /// The k-th instances of the batch's images.
    Each,
    /// All instances of the batch.
    Together,
}

/// `[target]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TargetSettings {
    /// m at the first step; it rises to 1 along a cosine.
    pub momentum: f64,
}

impl Default for TargetSettings {
    fn default() -> Self {
        Self { momentum: 0.99 }
    }
}

impl Config for TargetSettings {
    fn check(&self) -> Result<(), Invalid> {
        within("momentum", self.momentum, 0.0, 1.0)
    }
}
