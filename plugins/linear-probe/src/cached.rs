//! Protocol byol-linear-cached: BYOL's classifier on features computed once.

use crate::classifier::{Classifier, Training};
use crate::recipe::Recipe;
use anyhow::Result;
use candle_core::{DType, Tensor};
use rand::seq::SliceRandom;
use univip_core::evaluate::{EvaluationContext, Metric, labels};
use univip_core::nn::cross_entropy::one_hot;
use univip_core::seed::stream;

/// Trains as `recipe` says, on the features of plain images instead of new crops each epoch, and measures.
/// The features are used as they come: one that is small or repeats another is learnt as slowly as
/// the published protocols would.
pub fn evaluate(mut context: EvaluationContext<'_>, protocol: &str, recipe: &Recipe) -> Result<Vec<Metric>> {
    let (train, val) = (context.train, context.val);
    let (train_labels, val_labels) = (labels(train, "train")?, labels(val, "val")?);
    let classes = train.classes().len().max(val.classes().len());
    let train_rows = context.features(train, "linear-probe: train features")?;
    let val_rows = context.features(val, "linear-probe: val features")?;
    let (train_labels, val_labels) = (train_rows.labels(&train_labels), val_rows.labels(&val_labels));
    let classifier = learn(recipe, &train_rows.values, &train_labels, classes, context.seed)?;
    let accuracy = classifier.accuracy(&val_rows.values, &val_labels)?;
    Ok(accuracy.metrics(protocol, &context.split()))
}

/// Features `[N, F]`, a label for each.
fn learn(
    recipe: &Recipe,
    features: &Tensor,
    labels: &[u32],
    classes: usize,
    seed: u64,
) -> Result<Classifier> {
    let (count, size) = features.dims2()?;
    let device = features.device();
    let targets = one_hot(labels, classes, DType::F32, device)?;
    let batch = recipe.batch.min(count);
    let steps_per_epoch = count.div_ceil(batch) as u64;
    let start = Classifier::new(size, classes, DType::F32, device)?;
    let mut training = Training::new(start, recipe.sgd);
    let mut order: Vec<u32> = (0..count as u32).collect();
    let mut step = 0;
    for epoch in 0..recipe.epochs {
        order.shuffle(&mut stream(seed, "linear-probe order", &[epoch]));
        for chosen in order.chunks(batch) {
            let rows = Tensor::new(chosen, device)?;
            let lr = recipe.lr(step, steps_per_epoch, batch);
            training.step(&features.index_select(&rows, 0)?, &targets.index_select(&rows, 0)?, lr)?;
            step += 1;
        }
    }
    Ok(training.classifier)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::clusters;
    use crate::recipe::BYOL;

    #[test]
    fn clusters_are_learnt_and_noise_is_not() -> Result<()> {
        for (noise, expected) in [(0.5, 99.0..=100.0), (1e4, 4.0..=17.0)] {
            let (train, labels) = clusters(1000, noise, 1)?;
            let (val, val_labels) = clusters(500, noise, 2)?;
            let top1 = learn(&BYOL, &train, &labels, 10, 0)?.accuracy(&val, &val_labels)?.top1();
            assert!(expected.contains(&top1), "noise {noise}: {top1}");
        }
        Ok(())
    }

    #[test]
    fn a_seed_decides_every_bit() -> Result<()> {
        let (train, labels) = clusters(1500, 2.0, 1)?;
        let weight = |seed| -> Result<Vec<f32>> {
            Ok(learn(&BYOL, &train, &labels, 10, seed)?.weight.flatten_all()?.to_vec1()?)
        };
        assert_eq!(weight(1)?, weight(1)?);
        assert_ne!(weight(1)?, weight(2)?, "batches are drawn by the seed");
        Ok(())
    }
}
