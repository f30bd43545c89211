//! Evaluator semi-supervised: the whole network fine-tuned on 1% or 10% of the labels. Section 4.3, Table 6.

mod grid;
mod network;
mod protocol;
mod subset;

use anyhow::Result;
use protocol::Protocol;
use serde::{Deserialize, Serialize};
use univip_core::evaluate::{Accuracy, EvaluationContext, Evaluator, Metric};
use univip_core::recipe::Invalid;
use univip_core::registry::EvaluatorPlugin;

univip_core::register_evaluator!(
    "semi-supervised",
    SemiSupervised,
    "the whole network fine-tuned on 1% or 10% of the labels"
);

/// Top-1 (and top-5) on the probe data's val split of a copy of the backbone that was fine-tuned, with a classifier, on
/// few labelled images of its train split. The backbone itself is never changed.
pub struct SemiSupervised {
    config: Config,
}

/// `[evaluator.semi-supervised]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The protocols of fine-tuning, each with its share of labels: one measurement per protocol.
    pub protocols: Vec<Protocol>,
}

impl Default for Config {
    fn default() -> Self {
        Self { protocols: vec![Protocol::OnePercent, Protocol::TenPercent] }
    }
}

impl univip_core::recipe::Config for Config {
    fn check(&self) -> Result<(), Invalid> {
        let twice = |place: usize| self.protocols[..place].contains(&self.protocols[place]);
        let problem = if self.protocols.is_empty() {
            "names no protocol, expected at least one".to_string()
        } else if let Some(place) = (0..self.protocols.len()).find(|place| twice(*place)) {
            format!("names `{}` twice", self.protocols[place].name())
        } else {
            return Ok(());
        };
        Err(Invalid { key: "protocols", problem })
    }
}

impl EvaluatorPlugin for SemiSupervised {
    type Config = Config;

    fn build(config: Config) -> Result<Self> {
        Ok(Self { config })
    }
}

impl Evaluator for SemiSupervised {
    fn evaluate(&self, mut context: EvaluationContext<'_>) -> Result<Vec<Metric>> {
        let mut metrics = Vec::new();
        for protocol in &self.config.protocols {
            metrics.extend(grid::evaluate(&mut context, *protocol)?);
        }
        Ok(metrics)
    }

    fn metrics(&self) -> Vec<String> {
        Accuracy::NAMES.into_iter().chain(grid::CHOICE).map(String::from).collect()
    }
}
