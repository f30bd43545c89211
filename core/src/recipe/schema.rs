//! What a recipe says, key by key.

use crate::nn::optim::{OptimizerSettings, ScheduleSettings};
use crate::nn::{BackboneKind, BackboneShape};
use crate::proposals::BoxLimits;
use crate::views::CropLimits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A whole recipe but `[row]` and the plugins' own tables. Defaults are the paper's.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What images to learn from.
    pub data: DataChoice,
    /// What labelled images to measure on.
    pub probe_data: ProbeDataChoice,
    /// How images are read.
    pub loader: LoaderSettings,
    /// Where candidate instances come from and which are kept.
    pub proposals: ProposalSettings,
    /// Which parts of an image the networks see.
    pub views: ViewSettings,
    /// How each kind of view is augmented.
    pub augment: AugmentSettings,
    /// The online network's shape; the target has the same but for the predictor.
    pub network: NetworkSettings,
    /// Which losses, and their weights.
    pub losses: LossSettings,
    /// How parameters move.
    pub optimizer: OptimizerSettings,
    /// How the learning rate moves.
    pub schedule: ScheduleSettings,
    /// How the target network follows (Eq. 1).
    pub target: TargetSettings,
    /// How long, in what batches, with what checkpoints.
    pub train: TrainSettings,
    /// What measures the backbone afterwards.
    pub evaluators: EvaluatorSettings,
}

/// `[data]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataChoice {
    /// A dataset; its parameters are in `[dataset.<name>]`.
    #[serde(rename = "use")]
    pub name: String,
    /// Only the first so many images; 0 is all of them.
    pub limit: usize,
}

/// `[probe_data]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeDataChoice {
    /// A dataset with labels; its parameters are in `[dataset.<name>]`.
    #[serde(rename = "use")]
    pub name: String,
    /// Only so many train images, drawn from the whole split; 0 is all of them.
    pub train_limit: usize,
    /// Only so many val images, drawn from the whole split; 0 is all of them.
    pub val_limit: usize,
    /// The side of the images that evaluators show the backbone, in pixels.
    pub image_size: u32,
}

/// `[loader]`. None of it changes a result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoaderSettings {
    /// Threads that prepare batches; 0 is one a core.
    pub workers: usize,
    /// Batches prepared ahead.
    pub ahead: usize,
    /// What to do with an image that cannot be read.
    pub broken: BrokenImage,
}

/// What to do with an image that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BrokenImage {
    /// Name it, count it, and put the next readable image in its place.
    Skip,
    /// Stop the run.
    Fail,
}

/// `[proposals]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProposalSettings {
    /// A proposal source; its parameters are in `[proposal.<name>]`.
    #[serde(rename = "use")]
    pub name: String,
    /// Which boxes are kept when they are read (A.3); naive boxes obey them too.
    pub limits: BoxLimits,
}

/// `[views]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ViewSettings {
    /// A view sampler; its parameters are in `[view.<name>]`.
    #[serde(rename = "use")]
    pub name: String,
    /// The side of a scene view as the networks see it, in pixels.
    pub scene_size: u32,
    /// The side of an instance as the networks see it, in pixels.
    pub instance_size: u32,
    /// K, the instances an image.
    pub instances: usize,
    /// How a scene view is cropped.
    pub crop: CropLimits,
    /// Whether o_k and t_k see two augmentations of a crop or the same one; the paper leaves it open.
    pub instance_augmentation: InstanceAugmentation,
}

/// Whether the online and the target network see the same pixels of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceAugmentation {
    /// o_k with view 1's probabilities, t_k with view 2's, drawn apart.
    Independent,
    /// One rendering, with view 1's probabilities, for both.
    Shared,
}

/// `[augment]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentSettings {
    /// How crops are resized.
    pub interpolation: Interpolation,
    /// Subtracted from each channel of an image in 0..=1.
    pub mean: [f32; 3],
    /// What each channel is then divided by.
    pub std: [f32; 3],
    /// View 1 (and o_k).
    pub view1: Augmentation,
    /// View 2 (and t_k).
    pub view2: Augmentation,
}

/// How crops are resized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// ORL's.
    Bilinear,
    /// BYOL's own code.
    Bicubic,
}

/// `[augment.view1]`, `[augment.view2]`: probabilities and strengths, applied in this order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augmentation {
    /// Probability of a horizontal flip.
    pub flip: f64,
    /// Probability of colour jitter.
    pub jitter: f64,
    /// Largest relative change of brightness.
    pub brightness: f64,
    /// Largest relative change of contrast.
    pub contrast: f64,
    /// Largest relative change of saturation.
    pub saturation: f64,
    /// Largest shift of hue, in turns, at most 0.5.
    pub hue: f64,
    /// Probability of becoming grey.
    pub grey: f64,
    /// Probability of a Gaussian blur.
    pub blur: f64,
    /// The blur's standard deviation in pixels of a 224-pixel view, from and to; smaller views are blurred
    /// in proportion to their side.
    pub blur_sigma: [f64; 2],
    /// Probability of solarisation.
    pub solarize: f64,
}

/// `[network]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSettings {
    /// The backbone.
    pub backbone: BackboneKind,
    /// Channels of the stem; 64 is the published network.
    pub width: usize,
    /// Whether the last batch norm of each residual block starts at 0 (torchvision's `zero_init_residual`).
    pub zero_init_residual: bool,
    /// Hidden units of projector and predictor.
    pub hidden: usize,
    /// D, the outputs of projector and predictor.
    pub output: usize,
    /// Whether each of an image's K instances is a batch of its own for batch norm, as each scene view is,
    /// or all of them together; the paper leaves it open.
    pub instance_batch_norm: InstanceBatchNorm,
}

impl From<&NetworkSettings> for BackboneShape {
    fn from(settings: &NetworkSettings) -> Self {
        let NetworkSettings { backbone, width, zero_init_residual, .. } = *settings;
        Self { backbone, width, zero_init_residual }
    }
}

/// Over what batch norm takes the statistics of instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceBatchNorm {
    /// The k-th instances of the batch's images.
    Each,
    /// All instances of the batch.
    Together,
}

/// `[losses]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossSettings {
    /// The losses; their parameters are in `[loss.<name>]`.
    #[serde(rename = "use")]
    pub names: Vec<String>,
    /// The weight of a loss in the sum (Eq. 12); 1 where none is given.
    pub weights: BTreeMap<String, f64>,
}

/// `[target]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TargetSettings {
    /// m at the first step; it rises to 1 along a cosine.
    pub momentum: f64,
}

/// `[train]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSettings {
    /// Epochs. 0 leaves the backbone as initialised.
    pub epochs: u64,
    /// Images a forward pass.
    pub batch: usize,
    /// Forward passes an optimiser step.
    pub accumulate: usize,
    /// Optimiser steps between two checkpoints; 0 is once an epoch.
    pub checkpoint_every: u64,
    /// Checkpoints kept.
    pub keep: usize,
}

/// `[evaluators]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluatorSettings {
    /// The evaluators; their parameters are in `[evaluator.<name>]`.
    #[serde(rename = "use")]
    pub names: Vec<String>,
    /// The evaluators that also run during training. They change no bit of it.
    pub during: Vec<String>,
    /// Epochs between two runs of those; 0 is never.
    pub every: u64,
    /// Images of the probe data that a linear classifier learns from at each step, beside the training, of which it
    /// changes no bit either; 0 is no such classifier.
    pub online: usize,
}
