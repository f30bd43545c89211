//! `[optimizer]` and `[schedule]` of a recipe.

use serde::{Deserialize, Serialize};
use univip_stdx::config::{Config, Invalid, not_negative, positive, require};

/// `[optimizer]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerSettings {
    /// The rule.
    #[serde(rename = "use")]
    pub kind: OptimizerKind,
    /// The learning rate for a batch of 256; the one used is `lr * batch * accumulate / 256`.
    pub lr: f64,
    /// The momentum of the gradients.
    pub momentum: f64,
    /// The weight decay.
    pub weight_decay: f64,
    /// Whether biases and batch-norm parameters also decay (and, with LARS, are also scaled).
    pub decay_bias_and_norm: bool,
    /// LARS only: the trust coefficient.
    pub trust: f64,
}

/// The optimisers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// SGD with momentum, as PyTorch's.
    Sgd,
    /// LARS as in BYOL: trust ratio, then momentum, then learning rate.
    Lars,
    /// LARS with the learning rate inside the momentum.
    LarsLrInside,
}

impl Default for OptimizerSettings {
    fn default() -> Self {
        Self {
            kind: OptimizerKind::Sgd,
            lr: 0.2,
            momentum: 0.9,
            weight_decay: 1e-4,
            decay_bias_and_norm: true,
            trust: 1e-3,
        }
    }
}

impl Config for OptimizerSettings {
    fn check(&self) -> Result<(), Invalid> {
        positive("lr", self.lr)?;
        require((0.0..1.0).contains(&self.momentum), "momentum", || {
            format!("expected 0 to below 1, found {}", self.momentum)
        })?;
        not_negative("weight_decay", self.weight_decay)?;
        positive("trust", self.trust)
    }
}

/// `[schedule]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleSettings {
    /// What warm-up and cosine mean exactly.
    pub semantics: ScheduleSemantics,
    /// The warm-up, in epochs (fractions allowed).
    pub warmup_epochs: f64,
}

/// Two published readings of "cosine with a linear warm-up".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleSemantics {
    /// The cosine steps once an epoch over all epochs, the warm-up multiplies it step by step.
    Mmcv,
    /// The cosine steps every step and starts after the warm-up.
    Byol,
}

impl Default for ScheduleSettings {
    fn default() -> Self {
        Self { semantics: ScheduleSemantics::Mmcv, warmup_epochs: 4.0 }
    }
}

impl Config for ScheduleSettings {
    fn check(&self) -> Result<(), Invalid> {
        not_negative("warmup_epochs", self.warmup_epochs)
    }
}
