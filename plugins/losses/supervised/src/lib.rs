//! Loss supervised: a linear classifier on the online network's pooled features, the supervised pre-training that methods without
//! labels are compared with.

use anyhow::{Context, Result, ensure};
use candle_core::{D, Tensor};
use serde::{Deserialize, Serialize};
use univip_core::loss::{Loss, LossContext, LossTerm, Step};
use univip_core::networks::{Features, Needs, Output};
use univip_core::nn::Linear;
use univip_core::nn::cross_entropy::cross_entropy;
use univip_core::nn::ops::Map;
use univip_core::recipe::Config;
use univip_core::register_loss;
use univip_core::registry::LossPlugin;
use univip_core::views::SCENE;

register_loss!("supervised", Supervised, "A linear classifier on labelled images");

/// The cross-entropy of a linear classifier of the images' labels. Its parameters are the loss's.
///
/// The diagnostic `top1` is the share of the batch's views, in percent, that it gives their own class.
pub struct Supervised {
    output: Output,
    classifier: Linear,
}

/// `[loss.supervised]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The group whose views are classified.
    pub group: String,
    /// The classifier's input: `pooled`, or a head.
    pub from: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { group: SCENE.into(), from: "pooled".into() }
    }
}

impl Config for Settings {}

impl Settings {
    fn output(&self) -> Output {
        Output::online(&self.group, &self.from)
    }
}

impl LossPlugin for Supervised {
    type Config = Settings;

    fn needs(settings: &Settings) -> Needs {
        Needs::from([settings.output()])
    }

    fn build(settings: Settings, context: LossContext) -> Result<Self> {
        let output = settings.output();
        ensure!(context.classes > 0, "{UNLABELLED}");
        let classifier = Linear::new(context.size(&output)?, context.classes, &context.parameters)?;
        Ok(Self { output, classifier })
    }
}

/// The remedy if images have no labels.
const UNLABELLED: &str = "the loss `supervised` needs a label for each image that is learned from, and data.use names images without: name \
                          labelled ones, such as --data fashion-icons or --data image-folder";

impl Loss for Supervised {
    fn compute(&self, features: &Features, _step: &Step) -> Result<LossTerm> {
        let inputs = features.joined(&self.output)?;
        ensure!(
            inputs.dims().len() == 2,
            "loss.supervised.from: a classifier reads `pooled` or a head of [B, C], got {:?}",
            inputs.dims()
        );
        let labels = features.facts().labels.as_ref().context(UNLABELLED)?;
        let labels: Vec<u32> = labels.iter().copied().cycle().take(inputs.dim(0)?).collect();
        let scores = self.classifier.forward(&Map::of(inputs)?)?.tensor()?;
        let value = cross_entropy(&scores, &labels)?;
        Ok(LossTerm { value, diagnostics: vec![("top1", top1(&scores, &labels)?)] })
    }
}

/// The percentage of rows whose largest score is that of their label.
fn top1(scores: &Tensor, labels: &[u32]) -> Result<f32> {
    let found = scores.detach().argmax(D::Minus1)?.to_vec1::<u32>()?;
    let right = found.iter().zip(labels).filter(|(found, label)| found == label).count();
    Ok(100.0 * right as f32 / labels.len().max(1) as f32)
}
