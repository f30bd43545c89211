//! What a recipe means where it says nothing: the paper's protocol on the embedded scenes.

use super::schema::*;
use crate::image_file::DEFAULT_MOST_PIXELS;
use crate::proposals::BoxLimits;
use crate::views::CropLimits;

impl Default for DataChoice {
    fn default() -> Self {
        Self { name: "fashion-scenes".into(), limit: 0 }
    }
}

impl Default for ProbeDataChoice {
    fn default() -> Self {
        Self { name: "fashion-icons".into(), train_limit: 0, val_limit: 0, image_size: 224 }
    }
}

impl Default for LoaderSettings {
    fn default() -> Self {
        Self { workers: 0, ahead: 4, broken: BrokenImage::Skip, max_pixels: DEFAULT_MOST_PIXELS }
    }
}

impl Default for ProposalSettings {
    fn default() -> Self {
        Self { name: "selective-search".into(), limits: BoxLimits::default() }
    }
}

impl Default for ViewSettings {
    fn default() -> Self {
        Self {
            name: "overlap".into(),
            scene_size: 224,
            instance_size: 96,
            instances: 4,
            crop: CropLimits::default(),
            instance_augmentation: InstanceAugmentation::Independent,
        }
    }
}

impl Default for AugmentSettings {
    fn default() -> Self {
        Self {
            interpolation: Interpolation::Bilinear,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            blur_scale: BlurScale::View,
            view1: Augmentation::default(),
            view2: Augmentation { blur: 0.1, solarize: 0.2, ..Augmentation::default() },
        }
    }
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            flip: 0.5,
            jitter: 0.8,
            brightness: 0.4,
            contrast: 0.4,
            saturation: 0.2,
            hue: 0.1,
            grey: 0.2,
            blur: 1.0,
            blur_sigma: [0.1, 2.0],
            solarize: 0.0,
        }
    }
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            backbone: BackboneKind::ResNet50,
            width: 64,
            zero_init_residual: false,
            hidden: 4096,
            output: 256,
            instance_batch_norm: InstanceBatchNorm::Each,
        }
    }
}

impl Default for OptimizerSettings {
    fn default() -> Self {
        Self {
            kind: OptimizerKind::Sgd,
            lr: 0.2,
            momentum: 0.9,
            weight_decay: 1e-4,
            decay_bias_and_norm: true,
            trust: 1e-3,
        }
    }
}

impl Default for ScheduleSettings {
    fn default() -> Self {
        Self { semantics: ScheduleSemantics::Mmcv, warmup_epochs: 4.0 }
    }
}

impl Default for TargetSettings {
    fn default() -> Self {
        Self { momentum: 0.99 }
    }
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self { epochs: 800, batch: 512, accumulate: 1, checkpoint_every: 0, keep: 2 }
    }
}
