//! Protocol frozen-features: logistic regression to convergence on features computed once.

use crate::classifier::Classifier;
use crate::lbfgs::minimise;
use anyhow::Result;
use candle_core::{DType, Device, Tensor};
use univip_core::evaluate::{EvaluationContext, Metric, labels};
use univip_core::nn::cross_entropy::one_hot;

/// The L2 penalties that are tried, the strongest first: each solution is where the next search starts.
const PENALTIES: [f64; 5] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5];

/// Features standardised by train's mean and deviation; the penalty that classifies every fifth image of
/// each class best when learnt from the others; then a classifier learnt from all of train.
pub fn evaluate(mut context: EvaluationContext<'_>, protocol: &str) -> Result<Vec<Metric>> {
    let (train, val) = (context.train, context.val);
    let (train_labels, val_labels) = (labels(train, "train")?, labels(val, "val")?);
    let train_rows = context.features(train, "linear-probe: train features")?;
    let val_rows = context.features(val, "linear-probe: val features")?;
    let (train_labels, val_labels) = (train_rows.labels(&train_labels), val_rows.labels(&val_labels));
    let classes = train.classes().len().max(val.classes().len());
    let [train_features, val_features] = standardised(&train_rows.values, &val_rows.values)?;
    let learner = Learner { classes, progress: context.progress };
    let classifier = learner.learn(&train_features, &train_labels)?;
    let accuracy = classifier.accuracy(&val_features, &val_labels)?;
    Ok(accuracy.metrics(protocol, &context.split()))
}

/// Both as 64-bit numbers on the CPU, in units of train's standard deviation around train's mean.
fn standardised(train: &Tensor, val: &Tensor) -> Result<[Tensor; 2]> {
    let wide = |features: &Tensor| features.to_device(&Device::Cpu)?.to_dtype(DType::F64);
    let (train, val) = (wide(train)?, wide(val)?);
    let mean = train.mean(0)?;
    // A feature that is always the same stays at 0.
    let deviation = (train.broadcast_sub(&mean)?.sqr()?.mean(0)? + 1e-12)?.sqrt()?;
    let standardise = |features: &Tensor| features.broadcast_sub(&mean)?.broadcast_div(&deviation);
    Ok([standardise(&train)?, standardise(&val)?])
}

struct Learner<'a> {
    classes: usize,
    progress: &'a mut dyn FnMut(u64, u64, &str),
}

impl Learner<'_> {
    fn learn(self, features: &Tensor, labels: &[u32]) -> Result<Classifier> {
        let total = PENALTIES.len() as u64 + 1;
        let mut report = |done: usize| (self.progress)(done as u64, total, "linear-probe: classifier");
        let (kept, held_out) = split(labels, self.classes);
        let rows = |chosen: &[u32]| -> Result<(Tensor, Vec<u32>)> {
            let labels = chosen.iter().map(|row| labels[*row as usize]).collect();
            let rows = Tensor::new(chosen, &Device::Cpu)?;
            Ok((features.index_select(&rows, 0)?, labels))
        };
        let mut best = (PENALTIES[0], f64::NEG_INFINITY);
        if !held_out.is_empty() {
            let (kept_features, kept_labels) = rows(&kept)?;
            let (held_features, held_labels) = rows(&held_out)?;
            let mut start = Classifier::new(features.dim(1)?, self.classes, DType::F64, &Device::Cpu)?;
            for (tried, penalty) in PENALTIES.into_iter().enumerate() {
                start = fit(&start, &kept_features, &kept_labels, penalty)?;
                let top1 = start.accuracy(&held_features, &held_labels)?.top1();
                if top1 > best.1 {
                    best = (penalty, top1);
                }
                report(tried + 1);
            }
        }
        let start = Classifier::new(features.dim(1)?, self.classes, DType::F64, &Device::Cpu)?;
        let classifier = fit(&start, features, labels, best.0)?;
        report(total as usize);
        Ok(classifier)
    }
}

/// The rows that a penalty is judged by, every fifth of each class, and the others: `(others, judges)`.
fn split(labels: &[u32], classes: usize) -> (Vec<u32>, Vec<u32>) {
    let mut seen = vec![0usize; classes];
    (0..labels.len() as u32).partition(|row| {
        let seen = &mut seen[labels[*row as usize] as usize];
        *seen += 1;
        !seen.is_multiple_of(5)
    })
}

/// Minimises mean cross entropy + `penalty` / 2 * |weight|^2.
fn fit(start: &Classifier, features: &Tensor, labels: &[u32], penalty: f64) -> Result<Classifier> {
    let (size, classes) = start.weight.dims2()?;
    let targets = one_hot(labels, classes, DType::F64, &Device::Cpu)?;
    let unpack = |point: &[f64]| -> Result<Classifier> {
        let (weight, bias) = point.split_at(size * classes);
        Ok(Classifier {
            weight: Tensor::from_slice(weight, (size, classes), &Device::Cpu)?,
            bias: Tensor::from_slice(bias, classes, &Device::Cpu)?,
        })
    };
    let pack = |weight: &Tensor, bias: &Tensor| -> Result<Vec<f64>> {
        Ok([weight.flatten_all()?.to_vec1()?, bias.to_vec1()?].concat())
    };
    let point = minimise(pack(&start.weight, &start.bias)?, |point| {
        let gradient = unpack(point)?.gradient(features, &targets)?;
        let weight = &point[..size * classes];
        let norm: f64 = weight.iter().map(|entry| entry * entry).sum();
        let mut direction = pack(&gradient.weight, &gradient.bias)?;
        direction.iter_mut().zip(weight).for_each(|(direction, entry)| *direction += penalty * entry);
        Ok((gradient.loss + penalty / 2.0 * norm, direction))
    })?;
    unpack(&point)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{close, clusters, fixture};

    #[test]
    fn the_optimum_agrees_with_pytorch() -> Result<()> {
        let fixture = fixture();
        let features = fixture.features(DType::F64)?;
        let start = Classifier::new(5, 3, DType::F64, &Device::Cpu)?;
        for case in &fixture.optimum {
            let found = fit(&start, &features, &fixture.labels, case.l2)?;
            close(&found.weight, &case.weight.concat(), 2e-3);
            let targets = one_hot(&fixture.labels, 3, DType::F64, &Device::Cpu)?;
            let norm = found.weight.sqr()?.sum_all()?.to_scalar::<f64>()?;
            let loss = found.gradient(&features, &targets)?.loss + case.l2 / 2.0 * norm;
            assert!((loss - case.loss).abs() < 1e-8, "{loss}, PyTorch {}", case.loss);
        }
        Ok(())
    }

    /// Clusters whose features are of very different scales: standardising must make up for them.
    fn scaled_clusters(count: usize, noise: f32, seed: u64) -> Result<(Tensor, Vec<u32>)> {
        let (features, labels) = clusters(count, noise, seed)?;
        let scales: Vec<f32> = (0..64).map(|feature| 10f32.powi(feature % 7 - 3)).collect();
        let scales = Tensor::from_vec(scales, (1, 64), &Device::Cpu)?;
        Ok(((features.broadcast_mul(&scales)? + 5.0)?, labels))
    }

    #[test]
    fn separable_clusters_are_told_apart_and_noise_is_not() -> Result<()> {
        for (noise, expected) in [(0.5, 99.0..=100.0), (1e4, 4.0..=17.0)] {
            let (train, labels) = scaled_clusters(1000, noise, 1)?;
            let (val, val_labels) = scaled_clusters(500, noise, 2)?;
            let [train, val] = standardised(&train, &val)?;
            let learner = Learner { classes: 10, progress: &mut |_, _, _| {} };
            let top1 = learner.learn(&train, &labels)?.accuracy(&val, &val_labels)?.top1();
            assert!(expected.contains(&top1), "noise {noise}: {top1}");
        }
        Ok(())
    }

    #[test]
    fn a_constant_feature_stays_harmless() -> Result<()> {
        let train = Tensor::new(&[[7f32, 1.0], [7.0, 3.0]], &Device::Cpu)?;
        let [train, val] = standardised(&train, &Tensor::new(&[[7f32, 5.0]], &Device::Cpu)?)?;
        close(&train, &[0.0, -1.0, 0.0, 1.0], 1e-6);
        close(&val, &[0.0, 3.0], 1e-6);
        Ok(())
    }

    #[test]
    fn every_fifth_image_of_a_class_is_held_out() {
        let labels = [0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 2];
        let (kept, held_out) = split(&labels, 3);
        assert_eq!(held_out, [5, 9]);
        assert_eq!(kept, [0, 1, 2, 3, 4, 6, 7, 8, 10, 11]);
    }
}
