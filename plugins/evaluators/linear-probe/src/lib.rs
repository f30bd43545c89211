//! Evaluator linear-probe: a linear classifier on frozen features. Appendix A.1.

mod augmented;
mod batch_norm;
mod cached;
mod classifier;
mod frozen;
mod lbfgs;
mod lighting;
mod pooling;
mod recipe;

#[cfg(test)]
mod fixture;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use univip_core::evaluate::{Accuracy, EvaluationContext, Evaluator, Metric};
use univip_core::registry::EvaluatorPlugin;

univip_core::register_evaluator!("linear-probe", LinearProbe, "a linear classifier on frozen features");

/// Top-1 (and top-5) of a linear classifier that is trained on the probe data's train split and measured
/// on its val split. The backbone is never changed.
pub struct LinearProbe {
    config: Config,
}

/// `[evaluator.linear-probe]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The protocol by which the classifier is trained; numbers of different protocols cannot be compared.
    pub protocol: Protocol,
}

impl univip_core::recipe::Config for Config {}

/// The published protocols, and two for small scales.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// Features computed once, without augmentation; logistic regression to convergence, its L2 penalty
    /// chosen on a held-out part of train. Takes seconds, and depends on no learning rate.
    #[default]
    #[serde(rename = "frozen-features")]
    FrozenFeatures,
    /// BYOL's classifier on features computed once, of plain images: its optimiser, learning rate and epochs
    /// without its crops. Takes seconds.
    #[serde(rename = "byol-linear-cached")]
    ByolCached,
    /// ORL's (most likely the paper's for COCO): a classifier for each stage, 28 epochs.
    #[serde(rename = "orl-linear-28ep")]
    Orl,
    /// MoCo's: last features, learning rate 30, 100 epochs.
    #[serde(rename = "moco-linear-100ep")]
    Moco,
    /// BYOL's (the paper's for ImageNet): last features, cosine, 80 epochs.
    #[serde(rename = "byol-linear-80ep")]
    Byol,
}

impl Protocol {
    /// As recipes and metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::FrozenFeatures => "frozen-features",
            Protocol::ByolCached => "byol-linear-cached",
            Protocol::Orl => "orl-linear-28ep",
            Protocol::Moco => "moco-linear-100ep",
            Protocol::Byol => "byol-linear-80ep",
        }
    }
}

impl EvaluatorPlugin for LinearProbe {
    type Config = Config;

    fn build(config: Config) -> Result<Self> {
        Ok(Self { config })
    }
}

impl Evaluator for LinearProbe {
    fn evaluate(&self, context: EvaluationContext<'_>) -> Result<Vec<Metric>> {
        let protocol = self.config.protocol;
        match protocol {
            Protocol::FrozenFeatures => frozen::evaluate(context, protocol.name()),
            Protocol::ByolCached => cached::evaluate(context, protocol.name(), &recipe::BYOL),
            Protocol::Orl => augmented::evaluate(context, protocol.name(), &recipe::ORL),
            Protocol::Moco => augmented::evaluate(context, protocol.name(), &recipe::MOCO),
            Protocol::Byol => augmented::evaluate(context, protocol.name(), &recipe::BYOL),
        }
    }

    fn metrics(&self) -> Vec<String> {
        let of_stages = augmented::STAGES.map(augmented::top1_of);
        Accuracy::NAMES.map(String::from).into_iter().chain(of_stages).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use univip_core::recipe::Table;

    #[test]
    fn recipes_name_protocols_as_metrics_do() {
        for protocol in
            [Protocol::FrozenFeatures, Protocol::ByolCached, Protocol::Orl, Protocol::Moco, Protocol::Byol]
        {
            let table = Table::of(&format!("protocol = \"{}\"", protocol.name()));
            assert_eq!(table.read::<Config>().unwrap(), Config { protocol });
        }
        let error = Table::of("protocol = \"orl\"").read::<Config>().unwrap_err().to_string();
        assert!(error.contains("orl-linear-28ep"), "{error}");
    }
}
