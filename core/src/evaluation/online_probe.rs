//! A linear classifier that learns beside the pre-training, on features it cannot change: how far the backbone is,
//! while it is trained. No gradient of it reaches the backbone, and the pre-training takes the same course without it.

use crate::data::BrokenImage;
use crate::data::skipped::Skipped;
use crate::dataset::Dataset;
use crate::evaluate::{Accuracy, Canvas, FrozenBackbone, Metric, labels};
use crate::nn::cross_entropy::cross_entropy;
use crate::nn::ops::Map;
use crate::nn::optim::{Gradients, Optimizer, OptimizerKind, OptimizerSettings};
use crate::nn::{Linear, Parameters};
use crate::seed::stream;
use crate::views::augment::Renderer;
use anyhow::{Context, Result};
use candle_core::{Device, Tensor};
use rand::seq::SliceRandom;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// As metrics name it.
pub const NAME: &str = "online-probe";

/// Of features of length 1, so that it suits any number of them. The cross entropy's second derivative is then at most 1/2,
/// and with this momentum steps below 7.6 converge.
const LR: f64 = 4.0;

const MOMENTUM: f64 = 0.9;

/// Keeps a feature that is the same for a whole batch from being divided by 0; batch norm's.
const EPSILON: f64 = 1e-5;

/// The classifier, its labelled images and how often it was right in this epoch.
pub struct OnlineProbe {
    dataset: Arc<dyn Dataset>,
    labels: Vec<u32>,
    shown: Shown,
    backbone: FrozenBackbone,
    skipped: Skipped,
    seed: u64,
    parameters: Parameters,
    classifier: Linear,
    optimizer: Optimizer,
    accuracy: Accuracy,
    order: Order,
}

/// The batches that the classifier sees.
pub struct Shown {
    /// Draws the images.
    pub renderer: Renderer,
    /// Their side, in pixels.
    pub image_size: u32,
    /// Their number.
    pub batch: usize,
    /// The handling of broken images.
    pub broken: BrokenImage,
}

impl OnlineProbe {
    /// A classifier of `dataset`, which learns from what it is `shown` at each step.
    ///
    /// # Errors
    /// When an image of the dataset has no class.
    pub fn new(dataset: Arc<dyn Dataset>, shown: Shown, backbone: FrozenBackbone, seed: u64) -> Result<Self> {
        let labels = labels(&*dataset, "train")?;
        let classes = dataset.classes().len();
        let parameters = Parameters::new(seed, backbone.device());
        let scope = parameters.trainable().enter("classifier");
        let classifier = Linear::new(backbone.feature_size(), classes, &scope)?;
        let settings = OptimizerSettings {
            kind: OptimizerKind::Sgd,
            momentum: MOMENTUM,
            weight_decay: 0.0,
            ..OptimizerSettings::default()
        };
        let optimizer = Optimizer::new(&settings, &parameters)?;
        let (accuracy, order) = (Accuracy::new(classes), Order::default());
        let skipped = Skipped::new(shown.broken);
        Ok(Self {
            dataset,
            labels,
            shown,
            backbone,
            skipped,
            seed,
            parameters,
            classifier,
            optimizer,
            accuracy,
            order,
        })
    }

    /// Classifies the next images by the backbone as it is now, then learns from them. `step` is the one of the
    /// pre-training that has just been done.
    ///
    /// # Errors
    /// When an image is broken and `loader.broken` is `fail`.
    pub fn step(&mut self, step: u64) -> Result<()> {
        let Shown { renderer, image_size, batch, .. } = &self.shown;
        let (seed, size, images) = (self.seed, *image_size, *batch as u64);
        let chosen = self.order.places(step * images..(step + 1) * images, self.labels.len() as u64, seed);
        // Without augmentation, as they are measured afterwards: a small crop hides what its class is.
        let render = |image: &_, _, out: &mut [f32]| renderer.plain(image, size, out);
        let canvas = Canvas { size, device: self.backbone.device(), skipped: &self.skipped };
        let images = canvas.render(&*self.dataset, &chosen, &render)?;
        // The statistics of features need two.
        if images.indices.len() < 2 {
            return Ok(());
        }
        let features = standardised(&self.backbone.features(&images.values)?)?;
        let scores = self.classifier.forward(&Map::of(&features)?)?.tensor()?;
        let truth = images.labels(&self.labels);
        for (scores, label) in scores.to_vec2::<f32>()?.iter().zip(&truth) {
            self.accuracy.count(scores, *label);
        }
        let loss = cross_entropy(&scores, &truth)?;
        let gradients = Gradients::of(&mut loss.backward()?, &self.parameters);
        self.optimizer.step(&gradients, LR)
    }

    /// `top1` (and `top5`) over the images since the last epoch, each as it was classified before it was learnt from.
    pub fn end_epoch(&mut self) -> Vec<Metric> {
        let protocol = format!("online, {} train images a step", self.shown.batch);
        let metrics = self.accuracy.metrics(&protocol, &self.dataset.identity());
        self.accuracy = Accuracy::new(self.dataset.classes().len());
        metrics
    }

    /// One line that names the images that were skipped since the run was begun or resumed; none where all were read.
    pub fn skipped(&self) -> Option<String> {
        self.skipped.line()
    }

    /// Its tensors for a checkpoint.
    pub fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let momenta =
            self.optimizer.state().into_iter().map(|(name, value)| (format!("momentum.{name}"), value));
        let mut state: BTreeMap<String, Tensor> =
            self.parameters.tensors().into_iter().chain(momenta).collect();
        state.insert(COUNTS.into(), Tensor::new(&self.accuracy.counts(), &Device::Cpu)?);
        Ok(state)
    }

    /// Goes on from a [`OnlineProbe::state`].
    ///
    /// # Errors
    /// When it is that of another classifier.
    pub fn load_state(&mut self, mut state: BTreeMap<String, Tensor>) -> Result<()> {
        let counts = state.remove(COUNTS).context("its counts are missing")?;
        let counts: [u32; 3] = counts.to_vec1()?.try_into().ok().context("its counts are not three")?;
        let (momenta, parameters): (BTreeMap<_, _>, BTreeMap<_, _>) =
            state.into_iter().partition(|(name, _)| name.starts_with("momentum."));
        let name =
            |(name, value): (String, Tensor)| (name.trim_start_matches("momentum.").to_string(), value);
        self.parameters.load(&parameters)?;
        self.optimizer.load_state(&momenta.into_iter().map(name).collect())?;
        self.accuracy = Accuracy::resumed(self.dataset.classes().len(), counts);
        Ok(())
    }
}

const COUNTS: &str = "counts";

/// Features `[B, F]` with a mean of 0 over the batch and a variance of 1 / F: a classifier then learns at the same rate
/// from few and many, large and small ones. No graph leads back from them.
fn standardised(features: &Tensor) -> Result<Tensor> {
    let count = features.dim(1)? as f64;
    let centred = features.broadcast_sub(&features.mean_keepdim(0)?)?;
    let deviation = (centred.sqr()?.mean_keepdim(0)? + EPSILON)?.sqrt()?;
    Ok((centred.broadcast_div(&deviation)? * count.sqrt().recip())?.detach())
}

/// The images in a new order each time that all were seen, whatever step is asked for.
#[derive(Default)]
struct Order {
    round: Option<u64>,
    indices: Vec<usize>,
}

impl Order {
    /// The images at `places` of all rounds, each of `length` images.
    fn places(&mut self, places: Range<u64>, length: u64, seed: u64) -> Vec<usize> {
        let at = |place: u64| {
            let round = place / length;
            if self.round != Some(round) {
                self.indices = (0..length as usize).collect();
                self.indices.shuffle(&mut stream(seed, "online-probe order", &[round]));
                self.round = Some(round);
            }
            self.indices[(place % length) as usize]
        };
        places.map(at).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standardised_features_are_of_one_length_whatever_their_scale() -> Result<()> {
        let device = Device::Cpu;
        let features = Tensor::randn(0f32, 1.0, (64, 8), &device)?;
        let other = ((&features * 1000.0)? + 17.0)?;
        let [one, two] = [standardised(&features)?, standardised(&other)?];
        assert!((&one - &two)?.abs()?.max_all()?.to_scalar::<f32>()? < 1e-3);
        let square = one.sqr()?.sum(1)?.mean(0)?.to_scalar::<f32>()?;
        assert!((square - 1.0).abs() < 1e-3, "{square}");
        // A feature that never changes says nothing.
        let constant = standardised(&Tensor::full(3f32, (4, 8), &device)?)?;
        assert_eq!(constant.abs()?.max_all()?.to_scalar::<f32>()?, 0.0);
        Ok(())
    }

    #[test]
    fn every_image_comes_once_a_round_wherever_one_begins() {
        let all = Order::default().places(0..20, 10, 3);
        for round in all.chunks(10) {
            let mut sorted = round.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        }
        assert_ne!(all[..10], all[10..]);
        assert_eq!(Order::default().places(7..13, 10, 3), all[7..13]);
    }
}
