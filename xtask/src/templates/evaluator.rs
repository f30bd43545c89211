//! Evaluator `my-plugin`: the nearest class mean on frozen features, a place to start from.

use anyhow::Result;
use candle_core::{D, Tensor};
use serde::{Deserialize, Serialize};
use univip_core::evaluate::{EvaluationContext, Evaluator, Metric, labels};
use univip_core::recipe::Config;
use univip_core::register_evaluator;
use univip_core::registry::EvaluatorPlugin;

register_evaluator!("my-plugin", MyPlugin, "describe it in one line");

/// The evaluator.
pub struct MyPlugin;

/// `[evaluator.my-plugin]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {}

impl Config for Settings {}

impl EvaluatorPlugin for MyPlugin {
    type Config = Settings;

    fn build(_config: Settings) -> Result<Self> {
        Ok(Self)
    }
}

impl Evaluator for MyPlugin {
    fn evaluate(&self, mut context: EvaluationContext<'_>) -> Result<Vec<Metric>> {
        let (train, val) = (context.train, context.val);
        let (train_labels, val_labels) = (labels(train, "train")?, labels(val, "val")?);
        let (train_rows, val_rows) =
            (context.features(train, "train features")?, context.features(val, "val features")?);
        // Of the images that could be read.
        let (train_labels, val_labels) = (train_rows.labels(&train_labels), val_rows.labels(&val_labels));
        let means = class_means(&train_rows.values, &train_labels, train.classes().len())?;
        let found = nearest(&val_rows.values, &means)?;
        let hits = found.iter().zip(&val_labels).filter(|(found, label)| found == label).count();
        Ok(vec![Metric {
            name: "top1".into(),
            value: 100.0 * hits as f64 / val_labels.len() as f64,
            protocol: "my-plugin".into(),
            split: context.split(),
            images: val_labels.len(),
            skipped: 0,
        }])
    }

    fn metrics(&self) -> Vec<String> {
        vec!["top1".into()]
    }
}

/// The mean feature of each class, `[C, F]`; 0 for a class without images.
fn class_means(features: &Tensor, labels: &[u32], classes: usize) -> Result<Tensor> {
    let mut weights = vec![0f32; classes * labels.len()];
    for (image, &label) in labels.iter().enumerate() {
        let size = labels.iter().filter(|other| **other == label).count();
        weights[label as usize * labels.len() + image] = 1.0 / size as f32;
    }
    let weights = Tensor::from_vec(weights, (classes, labels.len()), features.device())?;
    Ok(weights.matmul(features)?)
}

/// The class whose mean is nearest to each feature.
fn nearest(features: &Tensor, means: &Tensor) -> Result<Vec<u32>> {
    let lengths = means.sqr()?.sum(D::Minus1)?;
    let distances = lengths.broadcast_sub(&(features.matmul(&means.t()?)? * 2.0)?)?;
    Ok(distances.argmin(D::Minus1)?.to_vec1()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn a_feature_belongs_to_the_nearest_mean() -> Result<()> {
        let train = Tensor::new(&[[0f32, 0.0], [0.0, 2.0], [5.0, 5.0]], &Device::Cpu)?;
        let means = class_means(&train, &[0, 0, 1], 2)?;
        assert_eq!(means.to_vec2::<f32>()?, [[0.0, 1.0], [5.0, 5.0]]);
        let val = Tensor::new(&[[4f32, 4.0], [1.0, 0.0]], &Device::Cpu)?;
        assert_eq!(nearest(&val, &means)?, [1, 0]);
        Ok(())
    }
}
