//! `[optimizer]` and `[schedule]` of a recipe.

use super::rules::ParameterRule;
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
    /// Biases and batch-norm parameters also decay (and, with LARS, are also scaled).
    pub decay_bias_and_norm: bool,
    /// LARS only: the trust coefficient.
    pub trust: f64,
    /// SGD only: steps along the gradient that the momentum is about to become (Nesterov), as PyTorch's SGD.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub nesterov: bool,
    /// AdamW only: beta_2, the share that the mean squared gradient keeps at each step. `momentum` is its beta_1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta2: Option<f64>,
    /// AdamW only: added to the root of the mean squared gradient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f64>,
    /// Exceptions for some parameters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<ParameterRule>,
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
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019), as PyTorch's.
    #[serde(rename = "adamw")]
    AdamW,
}

/// beta_2 and epsilon of AdamW where a recipe does not set them; PyTorch's.
pub(super) const ADAMW: (f64, f64) = (0.999, 1e-8);

impl Default for OptimizerSettings {
    fn default() -> Self {
        Self {
            kind: OptimizerKind::Sgd,
            lr: 0.2,
            momentum: 0.9,
            weight_decay: 1e-4,
            decay_bias_and_norm: true,
            trust: 1e-3,
            nesterov: false,
            beta2: None,
            epsilon: None,
            rules: Vec::new(),
        }
    }
}

impl Config for OptimizerSettings {
    /// beta_2 and epsilon are values of a recipe with AdamW, and absent from all others.
    fn completed(mut self) -> Self {
        if self.kind == OptimizerKind::AdamW {
            self.beta2.get_or_insert(ADAMW.0);
            self.epsilon.get_or_insert(ADAMW.1);
        }
        self
    }

    fn check(&self) -> Result<(), Invalid> {
        positive("lr", self.lr)?;
        require((0.0..1.0).contains(&self.momentum), "momentum", || {
            format!("expected 0 to below 1, found {}", self.momentum)
        })?;
        not_negative("weight_decay", self.weight_decay)?;
        positive("trust", self.trust)?;
        self.check_nesterov()?;
        self.check_adamw()?;
        self.rules.iter().try_for_each(ParameterRule::check)
    }
}

impl OptimizerSettings {
    fn check_nesterov(&self) -> Result<(), Invalid> {
        let possible = self.kind == OptimizerKind::Sgd && self.momentum > 0.0;
        require(!self.nesterov || possible, "nesterov", || {
            "expected `false` unless optimizer.use is \"sgd\" and optimizer.momentum above 0".into()
        })
    }

    fn check_adamw(&self) -> Result<(), Invalid> {
        for (key, value) in [("beta2", self.beta2), ("epsilon", self.epsilon)] {
            require(value.is_none() || self.kind == OptimizerKind::AdamW, key, || {
                "only AdamW has it: set optimizer.use to \"adamw\", or leave it out".into()
            })?;
        }
        let beta2 = self.beta2.unwrap_or(ADAMW.0);
        require((0.0..1.0).contains(&beta2), "beta2", || format!("expected 0 to below 1, found {beta2}"))?;
        positive("epsilon", self.epsilon.unwrap_or(ADAMW.1))
    }
}

/// `[schedule]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleSettings {
    /// The exact meaning of warm-up and cosine.
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
