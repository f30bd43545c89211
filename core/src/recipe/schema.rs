//! What a recipe says, key by key.

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

/// `[loader]`. Threads and batches ahead change no result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoaderSettings {
    /// Threads that prepare batches; 0 is one a core.
    pub workers: usize,
    /// Batches prepared ahead.
    pub ahead: usize,
    /// What to do with an image that cannot be read.
    pub broken: BrokenImage,
    /// The pixels of the largest image that is read; one with more is broken.
    pub max_pixels: u64,
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
    /// What view the `blur_sigma` of both views are pixels of.
    pub blur_scale: BlurScale,
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

/// What the standard deviation of a blur is stated in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlurScale {
    /// Pixels of a view of 224: smaller views are blurred in proportion to their side.
    View,
    /// Pixels of the view itself, whatever its side, as ORL's: smaller views are blurred more.
    Absolute,
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
    /// The blur's standard deviation, from and to, in pixels of what `augment.blur_scale` says.
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

/// The backbones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackboneKind {
    /// Basic blocks, 2-2-2-2.
    ResNet18,
    /// Bottleneck blocks, 3-4-6-3.
    ResNet50,
}

impl BackboneKind {
    /// As recipes and other libraries name it.
    pub fn name(self) -> &'static str {
        match self {
            BackboneKind::ResNet18 => "resnet18",
            BackboneKind::ResNet50 => "resnet50",
        }
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

/// `[optimizer]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerSettings {
    /// The rule.
    #[serde(rename = "use")]
    pub kind: OptimizerKind,
    /// The learning rate for a batch of 256; the one used is `lr * batch * accumulate / 256`.
    pub lr: f64,
    /// The momentum of the gradients.
    pub momentum: f64,
    /// The weight decay.
    pub weight_decay: f64,
    /// Whether biases and batch-norm parameters also decay (and, with LARS, are also scaled).
    pub decay_bias_and_norm: bool,
    /// LARS only: the trust coefficient.
    pub trust: f64,
}

/// The optimisers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// SGD with momentum, as PyTorch's.
    Sgd,
    /// LARS as in BYOL: trust ratio, then momentum, then learning rate.
    Lars,
    /// LARS with the learning rate inside the momentum.
    LarsLrInside,
}

/// `[schedule]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleSettings {
    /// What warm-up and cosine mean exactly.
    pub semantics: ScheduleSemantics,
    /// The warm-up, in epochs (fractions allowed).
    pub warmup_epochs: f64,
}

/// Two published readings of "cosine with a linear warm-up".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleSemantics {
    /// The cosine steps once an epoch over all epochs, the warm-up multiplies it step by step.
    Mmcv,
    /// The cosine steps every step and starts after the warm-up.
    Byol,
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

impl EvaluatorSettings {
    /// Whether anything is measured, so that the probe data are needed.
    pub fn any(&self) -> bool {
        !self.names.is_empty() || !self.during.is_empty() || self.online > 0
    }
}
