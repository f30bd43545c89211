//! `[network]` and `[target]` of a recipe.

use crate::nn::optim::target_momentum;
use crate::views::ViewBatchNorm;
use serde::{Deserialize, Serialize};
use univip_stdx::config::{Config, Invalid, at_least, require, within};

/// `[network]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSettings {
    /// A backbone; its parameters are in `[backbone.<name>]`.
    pub backbone: String,
    /// Channels of the stem; 64 is the published network.
    pub width: usize,
    /// True to start the last batch norm of each residual block at 0 (torchvision's `zero_init_residual`).
    pub zero_init_residual: bool,
    /// A file of weights that the backbone starts from, in place of random ones: safetensors, or one of `torch.save`, with the names
    /// of an export or torchvision's. Empty is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub init: String,
    /// The SHA-256 of that file, which is found out where it is not stated. Another file is another run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_sha256: Option<String>,
    /// Hidden units of a head that does not say otherwise.
    pub hidden: usize,
    /// D, the outputs of a head that does not say otherwise.
    pub output: usize,
    /// The batches of batch norm: each of an image's K instances is one of its own, as each scene view is,
    /// or all of them together; the paper leaves it open.
    pub instance_batch_norm: ViewBatchNorm,
    /// The groups of views whose forward passes batch norm's running statistics follow, which evaluation normalises by; empty is all.
    /// The paper leaves it open: instances are as many passes as there are of them, and their statistics are those of small images.
    pub running_statistics: Vec<String>,
    /// Images over which batch norm takes its statistics, as if each device had so many; 0 is all of the batch. The target
    /// network then sees the images in another order (ShuffleBN; MoCo).
    pub batch_norm_images: usize,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            backbone: "resnet50".into(),
            width: 64,
            zero_init_residual: false,
            init: String::new(),
            init_sha256: None,
            hidden: 4096,
            output: 256,
            instance_batch_norm: ViewBatchNorm::Each,
            running_statistics: Vec::new(),
            batch_norm_images: 0,
        }
    }
}

impl Config for NetworkSettings {
    /// `init_sha256` stands for its contents.
    const PLACES: &'static [&'static str] = &["init"];

    fn check(&self) -> Result<(), Invalid> {
        at_least("width", self.width as u64, 1)?;
        at_least("hidden", self.hidden as u64, 1)?;
        at_least("output", self.output as u64, 1)?;
        require(self.init_sha256.is_none() || !self.init.is_empty(), "init_sha256", || {
            "there is no network.init that it could be of: set both or neither".into()
        })?;
        require(self.batch_norm_images != 1, "batch_norm_images", || {
            "expected 0, for all of the batch, or at least 2, which batch norm needs; found 1".into()
        })
    }
}

/// `[target]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TargetSettings {
    /// m at the first step.
    pub momentum: f64,
    /// The course of m.
    pub schedule: TargetSchedule,
}

/// The course of the target's momentum over a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetSchedule {
    /// Rises to 1 along a cosine (BYOL).
    Cosine,
    /// Stays (MoCo).
    Constant,
}

impl TargetSettings {
    /// m of step `step` of `steps` (Eq. 1).
    pub fn momentum_at(&self, step: u64, steps: u64) -> f64 {
        match self.schedule {
            TargetSchedule::Cosine => target_momentum(self.momentum, step, steps),
            TargetSchedule::Constant => self.momentum,
        }
    }
}

impl Default for TargetSettings {
    fn default() -> Self {
        Self { momentum: 0.99, schedule: TargetSchedule::Cosine }
    }
}

impl Config for TargetSettings {
    fn check(&self) -> Result<(), Invalid> {
        within("momentum", self.momentum, 0.0, 1.0)
    }
}
