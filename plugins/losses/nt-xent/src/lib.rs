//! Loss nt-xent: two views of an image, told from all others of the batch (SimCLR; Chen et al. 2020).

use anyhow::Result;
use serde::{Deserialize, Serialize};
use univip_core::config::positive;
use univip_core::contrast::nt_xent;
use univip_core::loss::{Loss, LossContext, LossTerm, Step};
use univip_core::networks::{Features, Needs, Output, PROJECTOR};
use univip_core::recipe::Invalid;
use univip_core::register_loss;
use univip_core::registry::LossPlugin;
use univip_core::views::SCENE;

register_loss!("nt-xent", NtXent, "Two views of an image told from all others of the batch (SimCLR)");

/// The cross-entropy of each of the batch's 2B views with its sibling among the other 2B - 1 (Chen et al. 2020, Eq. 1).
///
/// The negatives are those of one forward pass: `train.accumulate` averages gradients of several small contests and does not
/// make one large one of them. The diagnostic `negatives` has their number, 2B - 2.
pub struct NtXent {
    config: Config,
    output: Output,
    passes: usize,
    batch: usize,
}

/// `[loss.nt-xent]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The temperature, which similarities are divided by. SimCLR: 0.1 for long runs; Table 5 of its paper has 0.05 to 1.
    pub temperature: f64,
    /// The reduction of the 2B cross-entropies.
    pub form: Form,
    /// A group of two views.
    pub group: String,
    /// The online network's head.
    pub head: String,
}

/// The reduction of the 2B cross-entropies to one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// The mean over the first views and the mean over the second ones, added: SimCLR's code (`objective.py`). Twice the mean.
    #[default]
    SumOfViews,
    /// The mean over all 2B, as the paper prints it, and lightly's `NTXentLoss`: half the value and half the gradient.
    Mean,
}

impl Default for Config {
    fn default() -> Self {
        Self { temperature: 0.1, form: Form::default(), group: SCENE.into(), head: PROJECTOR.into() }
    }
}

impl univip_core::recipe::Config for Config {
    fn check(&self) -> Result<(), Invalid> {
        positive("temperature", self.temperature)
    }
}

impl LossPlugin for NtXent {
    type Config = Config;

    fn needs(config: &Config) -> Needs {
        Needs::from([Output::online(&config.group, &config.head)])
    }

    fn build(config: Config, context: LossContext) -> Result<Self> {
        let output = Output::online(&config.group, &config.head);
        Ok(Self { config, output, passes: context.passes, batch: context.batch })
    }
}

impl Loss for NtXent {
    fn compute(&self, features: &Features, _step: &Step) -> Result<LossTerm> {
        let [one, other] = features.pair(&self.output)?;
        let mean = nt_xent(one, other, self.config.temperature)?;
        let value = match self.config.form {
            Form::SumOfViews => (mean * 2.0)?,
            Form::Mean => mean,
        };
        let negatives = 2 * one.dim(0)? - 2;
        Ok(LossTerm { value, diagnostics: vec![("negatives", negatives as f32)] })
    }

    fn remarks(&self) -> Vec<String> {
        let Self { passes, batch, .. } = *self;
        if passes < 2 {
            return Vec::new();
        }
        vec![format!(
            "views are told from the {} others of their forward pass; train.accumulate = {passes} adds no negatives, train.batch does",
            2 * batch.max(1) - 2
        )]
    }
}
