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
    /// The course of the rate.
    pub semantics: ScheduleSemantics,
    /// The warm-up, in epochs (fractions allowed).
    pub warmup_epochs: f64,
    /// `step` only: the shares of the run after which the rate is multiplied by `drop_factor`, each rounded to a whole epoch:
    /// epochs 120 and 160 of 200 are 0.6 and 0.8, whatever the epochs of a scale.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drops: Vec<f64>,
    /// `step` only: the factor of each drop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop_factor: Option<f64>,
}

/// Two published readings of "cosine with a linear warm-up", and steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleSemantics {
    /// The cosine steps once an epoch over all epochs, the warm-up multiplies it step by step.
    Mmcv,
    /// The cosine steps every step and starts after the warm-up.
    Byol,
    /// The rate drops at given epochs, as PyTorch's `MultiStepLR` (MoCo v1, InstDis); the warm-up is mmcv's.
    Step,
}

/// The factor of a drop where a recipe does not set it; `MultiStepLR`'s, and that of both methods.
pub(super) const DROP_FACTOR: f64 = 0.1;

impl Default for ScheduleSettings {
    fn default() -> Self {
        Self { semantics: ScheduleSemantics::Mmcv, warmup_epochs: 4.0, drops: Vec::new(), drop_factor: None }
    }
}

impl Config for ScheduleSettings {
    /// The factor is a value of a recipe with steps, and absent from all others.
    fn completed(mut self) -> Self {
        if self.semantics == ScheduleSemantics::Step {
            self.drop_factor.get_or_insert(DROP_FACTOR);
        }
        self
    }

    fn check(&self) -> Result<(), Invalid> {
        not_negative("warmup_epochs", self.warmup_epochs)?;
        let step = self.semantics == ScheduleSemantics::Step;
        require(step || self.drops.is_empty(), "drops", || {
            "expected none unless schedule.semantics is \"step\"".into()
        })?;
        require(step || self.drop_factor.is_none(), "drop_factor", || {
            "only steps have it: set schedule.semantics to \"step\", or leave it out".into()
        })?;
        let rising = self.drops.is_sorted_by(|one, next| one < next);
        let inside = self.drops.iter().all(|share| *share > 0.0 && *share < 1.0);
        require(!step || (!self.drops.is_empty() && rising && inside), "drops", || {
            format!(
                "expected rising shares of the run between 0 and 1, such as [0.6, 0.8], found {:?}",
                self.drops
            )
        })?;
        positive("drop_factor", self.drop_factor.unwrap_or(DROP_FACTOR))
    }
}
