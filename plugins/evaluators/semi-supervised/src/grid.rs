//! The search over learning rates and the measurement of what it chooses.

use crate::network::Network;
use crate::protocol::{FineTuning, HEAD_MULTIPLIERS, LEARNING_RATES, Protocol};
use crate::subset::Subset;
use anyhow::{Context, Result};
use image::RgbImage;
use rand::seq::SliceRandom;
use univip_core::dataset::Dataset;
use univip_core::evaluate::{Accuracy, EvaluationContext, Metric, enough, labels};
use univip_core::seed::stream;

/// One way to fine-tune.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cell {
    lr: f64,
    head_multiplier: f64,
}

/// The names of the metrics that tell what was chosen.
pub const CHOICE: [&str; 3] = ["lr", "head-multiplier", "held-out-top1"];

/// Fine-tunes once for each learning rate and multiplier, and measures the network that classifies the held-out images
/// of train best, the first of equals. [`CHOICE`] tells what was chosen.
pub fn evaluate(context: &mut EvaluationContext<'_>, protocol: Protocol) -> Result<Vec<Metric>> {
    let fine_tuning = protocol.fine_tuning();
    let (train_labels, val_labels) = (labels(context.train, "train")?, labels(context.val, "val")?);
    let classes = context.train.classes().len().max(context.val.classes().len());
    let subset =
        Subset::draw(&train_labels, context.train.classes().len(), fine_tuning.share, fine_tuning.held_out)
            .with_context(|| format!("protocol {}", protocol.name()))?;
    let cells: Vec<Cell> = LEARNING_RATES
        .into_iter()
        .flat_map(|lr| HEAD_MULTIPLIERS.map(|head_multiplier| Cell { lr, head_multiplier }))
        .collect();
    let task = format!("semi-supervised: {}", protocol.name());
    let held_out =
        Labelled { dataset: context.train, chosen: &subset.held_out, labels: &train_labels, classes };
    let mut best: Option<(Cell, Network, Accuracy)> = None;
    for (number, cell) in cells.iter().enumerate() {
        let learner = Learner { fine_tuning, cell: *cell, classes, task: &task, number, cells: cells.len() };
        // A learning rate that makes the loss infinite is one that is not chosen.
        let Some(network) = learner.learn(context, &subset.labelled, &train_labels)? else { continue };
        let accuracy = held_out.accuracy(context, &network)?;
        if best.as_ref().is_none_or(|(_, _, least)| accuracy.top1() > least.top1()) {
            best = Some((*cell, network, accuracy));
        }
    }
    let (cell, network, chosen_by) = best.context("the loss became infinite at every learning rate")?;
    let every: Vec<usize> = (0..context.val.len()).collect();
    let val = Labelled { dataset: context.val, chosen: &every, labels: &val_labels, classes };
    let measured = val.accuracy(context, &network)?;
    let split = format!("{}-{}", subset.digest(context.train), context.val.identity());
    let mut metrics = measured.metrics(protocol.name(), &split);
    let chosen = [cell.lr, cell.head_multiplier, chosen_by.top1()];
    metrics.extend(CHOICE.into_iter().zip(chosen).map(|(name, value)| Metric {
        name: name.into(),
        value,
        protocol: protocol.name().into(),
        split: split.clone(),
        images: chosen_by.images(),
        skipped: 0,
    }));
    Ok(metrics)
}

struct Learner<'a> {
    fine_tuning: FineTuning,
    cell: Cell,
    classes: usize,
    task: &'a str,
    /// The index of this cell.
    number: usize,
    cells: usize,
}

impl Learner<'_> {
    /// The network fine-tuned on the images at `chosen`; none when its loss ceases to be finite.
    fn learn(
        &self,
        context: &mut EvaluationContext<'_>,
        chosen: &[usize],
        labels: &[u32],
    ) -> Result<Option<Network>> {
        let Self { fine_tuning, cell, classes, .. } = *self;
        let (renderer, side, seed) = (context.renderer, context.image_size, context.seed);
        let mut network = Network::new(context.backbone, classes, fine_tuning.weight_decay, seed)?;
        let steps = chosen.len().div_ceil(fine_tuning.batch);
        let total = self.cells as u64 * fine_tuning.epochs * steps as u64;
        let mut done = self.number as u64 * fine_tuning.epochs * steps as u64;
        let mut readable = Vec::new();
        for epoch in 0..fine_tuning.epochs {
            let mut order = chosen.to_vec();
            order.shuffle(&mut stream(seed, "semi-supervised order", &[epoch]));
            for step in 0..steps {
                // Of equal size, so that no step sees a single image, of which batch norm could not make sense.
                let batch = &order[step * order.len() / steps..(step + 1) * order.len() / steps];
                let render = |image: &RgbImage, index: usize, out: &mut [f32]| {
                    let mut stream = stream(seed, "semi-supervised augment", &[epoch, index as u64]);
                    renderer.random_crop_flip(image, side, &mut stream, out)
                };
                let images = context.images(context.train, batch, &render)?;
                let labels = images.labels(labels);
                if epoch == 0 {
                    readable.extend(&images.indices);
                }
                done += 1;
                (context.progress)(done, total, self.task);
                if images.indices.len() < 2 {
                    continue;
                }
                let lr = fine_tuning.lr(cell.lr, epoch);
                if !network.step(&images.values, &labels, lr, cell.head_multiplier)?.is_finite() {
                    return Ok(None);
                }
            }
            if epoch == 0 {
                enough(context.train, chosen, &readable)?;
            }
        }
        Ok(Some(network))
    }
}

/// Images that a network is measured on.
struct Labelled<'a> {
    dataset: &'a dyn Dataset,
    /// Indices into the dataset.
    chosen: &'a [usize],
    /// Of the whole dataset.
    labels: &'a [u32],
    classes: usize,
}

impl Labelled<'_> {
    /// The accuracy of `network` on the centres of the images.
    fn accuracy(&self, context: &EvaluationContext<'_>, network: &Network) -> Result<Accuracy> {
        /// Images per forward pass.
        const BATCH: usize = 64;
        let Self { dataset, chosen, labels, classes } = *self;
        let (renderer, side) = (context.renderer, context.image_size);
        let mut accuracy = Accuracy::new(classes);
        let mut readable = Vec::new();
        for batch in chosen.chunks(BATCH) {
            let render = |image: &RgbImage, _, out: &mut [f32]| renderer.plain(image, side, out);
            let images = context.images(dataset, batch, &render)?;
            if images.indices.is_empty() {
                continue;
            }
            let scores: Vec<Vec<f32>> = network.scores(&images.values)?.to_vec2()?;
            let labels = images.labels(labels);
            scores.iter().zip(labels).for_each(|(scores, label)| accuracy.count(scores, label));
            readable.extend(images.indices);
        }
        enough(dataset, chosen, &readable)?;
        Ok(accuracy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Tensor};
    use rand::Rng;
    use univip_core::error::ImageError;
    use univip_core::evaluate::{FrozenBackbone, KnownFeatures};
    use univip_core::nn::Parameters;
    use univip_core::recipe::{AugmentSettings, BrokenImage};
    use univip_core::skipped::Skipped;
    use univip_core::views::augment::Renderer;

    /// Noise around a grey that tells the class.
    struct Greys {
        classes: Vec<String>,
        images: usize,
    }

    impl Dataset for Greys {
        fn len(&self) -> usize {
            self.images
        }

        fn id(&self, index: usize) -> String {
            format!("{index} of {}", self.images)
        }

        fn image(&self, index: usize) -> Result<RgbImage, ImageError> {
            let mut stream = stream(self.images as u64, "greys", &[index as u64]);
            let level = if index.is_multiple_of(2) { 60 } else { 160 };
            let mut image = RgbImage::new(36, 36);
            image.iter_mut().for_each(|value| *value = level + stream.random_range(0..40));
            Ok(image)
        }

        fn label(&self, index: usize) -> Option<usize> {
            Some(index % 2)
        }

        fn classes(&self) -> &[String] {
            &self.classes
        }

        fn digest(&self) -> String {
            format!("{:016x}", self.images)
        }
    }

    fn greys(images: usize) -> Greys {
        Greys { classes: vec!["dark".into(), "light".into()], images }
    }

    fn measure(backbone: &FrozenBackbone, train: usize) -> Result<Vec<Metric>> {
        let renderer = Renderer::new(&AugmentSettings::default());
        let mut context = EvaluationContext {
            backbone,
            train: &greys(train),
            val: &greys(50),
            scenes: &|_| Ok(std::sync::Arc::new(greys(0))),
            renderer: &renderer,
            known: &KnownFeatures::default(),
            skipped: &Skipped::new(BrokenImage::Skip),
            seed: 3,
            image_size: 32,
            progress: &mut |done, total, _| assert!(done <= total),
        };
        evaluate(&mut context, Protocol::TenPercentSmall)
    }

    #[test]
    fn few_labels_are_learnt_from_and_the_backbone_keeps_every_bit() -> Result<()> {
        let parameters = Parameters::new(0, &Device::Cpu);
        let backbone = FrozenBackbone::new(&univip_resnet::plan(18, 2), &parameters.frozen())?;
        let bits = || -> Result<Vec<Vec<u32>>> {
            let bits = |tensor: &Tensor| -> Result<Vec<u32>> {
                let values: Vec<f32> = tensor.flatten_all()?.to_vec1()?;
                Ok(values.iter().map(|value| value.to_bits()).collect())
            };
            parameters.tensors().values().map(bits).collect()
        };
        let before = bits()?;
        let metrics = measure(&backbone, 160)?;
        assert_eq!(bits()?, before);
        let value = |name: &str| metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value);
        assert!(value("top1") > Some(95.0), "{metrics:?}");
        assert!(value("lr").is_some_and(|lr| LEARNING_RATES.contains(&lr)), "{metrics:?}");
        assert!(metrics.iter().all(|metric| metric.protocol == "semi-10pct-small"));
        assert_eq!(metrics, measure(&backbone, 160)?, "the same bits again");
        assert_ne!(metrics[0].split, measure(&backbone, 162)?[0].split, "another list of images");
        Ok(())
    }
}
