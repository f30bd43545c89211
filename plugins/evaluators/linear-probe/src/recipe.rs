//! The published ways to train a linear classifier. All are measured after the last epoch; MoCo's code
//! reports the best epoch on val.

use crate::classifier::Sgd;

/// The settings by which a classifier is trained on augmented images.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    pub epochs: u64,
    /// Images a step; all of them where there are fewer.
    pub batch: usize,
    pub lr: LearningRate,
    pub sgd: Sgd,
    /// The stem and each stage get a classifier, on normalised pooled maps; otherwise the last features get one.
    pub stages: bool,
    /// The standard deviation of a classifier's first weights.
    pub initial: f32,
    /// Colours are jittered and lit; otherwise images are only cropped and flipped.
    pub colours: bool,
}

/// The decay of the learning rate.
#[derive(Debug, Clone, PartialEq)]
pub enum LearningRate {
    /// Times 0.1 at the start of each of these epochs.
    Steps(f64, &'static [u64]),
    /// To 0 along a cosine, step by step, from so much for 256 images.
    Cosine(f64),
}

/// ORL, `configs/benchmarks/linear_classification/imagenet/r50_multihead_28ep.py`: five classifiers, of the stem and
/// of each stage.
pub const ORL: Recipe = Recipe {
    epochs: 28,
    batch: 256,
    lr: LearningRate::Steps(0.01, &[8, 16, 24]),
    sgd: Sgd { momentum: 0.9, nesterov: true, weight_decay: 1e-4 },
    stages: true,
    initial: 0.01,
    colours: true,
};

/// MoCo, `main_lincls.py`.
pub const MOCO: Recipe = Recipe {
    epochs: 100,
    batch: 256,
    lr: LearningRate::Steps(30.0, &[60, 80]),
    sgd: Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 },
    stages: false,
    initial: 0.01,
    colours: false,
};

/// BYOL, `configs/eval.py` and the README's single learning rate. The code leaves the batch to a flag; 1,024
/// is the article's. Its classifier starts as haiku draws it, ours at 0: the problem is convex.
pub const BYOL: Recipe = Recipe {
    epochs: 80,
    batch: 1024,
    lr: LearningRate::Cosine(0.2),
    sgd: Sgd { momentum: 0.9, nesterov: true, weight_decay: 0.0 },
    stages: false,
    initial: 0.0,
    colours: false,
};

impl Recipe {
    /// The learning rate of a step, with `batch` images per step and `steps_per_epoch` steps per epoch.
    pub fn lr(&self, step: u64, steps_per_epoch: u64, batch: usize) -> f64 {
        match self.lr {
            LearningRate::Steps(lr, drops) => {
                let epoch = step / steps_per_epoch;
                lr * drops.iter().filter(|drop| epoch >= **drop).map(|_| 0.1).product::<f64>()
            }
            LearningRate::Cosine(lr) => {
                let done = step as f64 / (self.epochs * steps_per_epoch) as f64;
                lr * batch as f64 / 256.0 * (1.0 + (std::f64::consts::PI * done).cos()) / 2.0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learning_rates_fall_as_published() {
        let cases = [
            (&ORL, 79, 0.01),
            (&ORL, 80, 0.001),
            (&ORL, 240, 0.00001),
            (&MOCO, 599, 30.0),
            (&MOCO, 600, 3.0),
            (&MOCO, 999, 0.3),
            (&BYOL, 0, 0.8),
            (&BYOL, 400, 0.4),
        ];
        for (recipe, step, expected) in cases {
            let lr = recipe.lr(step, 10, recipe.batch);
            assert!((lr / expected - 1.0).abs() < 1e-9, "{recipe:?}, step {step}: {lr}");
        }
        assert!(BYOL.lr(799, 10, 1024) < 1e-4);
        assert_eq!(BYOL.lr(0, 10, 128), 0.1, "in proportion to the batch that is used");
    }
}
