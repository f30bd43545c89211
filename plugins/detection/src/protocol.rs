//! The named protocols: how a detector is trained and what it sees.

use crate::box_head::BoxHeadKind;
use crate::mask_rcnn::Design;
use crate::proposals::ProposalLimits;
use serde::{Deserialize, Serialize};

/// Which protocol; numbers of different ones cannot be compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProtocolName {
    /// A narrow detector trained for about a minute, on images of about 128 pixels.
    #[default]
    #[serde(rename = "small")]
    Small,
    /// 90,000 steps of 16 images: about 12 epochs of COCO's train2017.
    #[serde(rename = "coco-1x")]
    CocoOnce,
    /// Twice as many.
    #[serde(rename = "coco-2x")]
    CocoTwice,
}

impl ProtocolName {
    /// As recipes and metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            ProtocolName::Small => "small",
            ProtocolName::CocoOnce => "coco-1x",
            ProtocolName::CocoTwice => "coco-2x",
        }
    }

    /// What it says.
    pub fn protocol(self) -> Protocol {
        match self {
            ProtocolName::Small => small(),
            ProtocolName::CocoOnce => coco(),
            ProtocolName::CocoTwice => Protocol { steps: 2 * coco().steps, ..coco() },
        }
    }
}

/// How a detector is trained and measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Protocol {
    /// Optimiser steps.
    pub steps: u64,
    /// Steps over which the learning rate rises.
    pub warmup: u64,
    /// Images a step.
    pub batch: usize,
    /// The highest learning rate.
    pub lr: f64,
    /// The image's short side in training, in pixels: one of these, drawn for each image.
    pub train_sides: Vec<u32>,
    /// The image's short side in measurement.
    pub side: u32,
    /// The long side is no longer than this; the short one gives way.
    pub longest: u32,
    /// Val images that are measured, drawn from the whole split; 0 is all of them.
    pub val_limit: usize,
    /// Channels of the pyramid and of the mask head, and units of the box head's linear layers.
    pub channels: [usize; 3],
    /// The box head.
    pub head: BoxHeadKind,
    /// Proposals in training and in measurement.
    pub proposals: [ProposalLimits; 2],
    /// Anchors and regions an image that are trained on.
    pub sampled: [usize; 2],
}

/// Of gradients.
pub const MOMENTUM: f64 = 0.9;
/// Of every parameter.
pub const WEIGHT_DECAY: f64 = 1e-4;
/// The learning rate is a tenth after this part of the steps, and a hundredth after the second: 60,000 and 80,000
/// of 90,000.
const DROPS: [f64; 2] = [2.0 / 3.0, 8.0 / 9.0];
/// Where the warm-up starts, as a part of the learning rate.
const WARMUP_FROM: f64 = 1e-3;

/// detectron2's `mask_rcnn_R_50_FPN_1x` as MoCo and ORL use it: all layers trained, batch norm everywhere, short
/// sides of 640 to 800. The box head is ORL's; MoCo's is `2fc`.
fn coco() -> Protocol {
    Protocol {
        steps: 90_000,
        warmup: 1000,
        batch: 16,
        lr: 0.02,
        train_sides: vec![640, 672, 704, 736, 768, 800],
        side: 800,
        longest: 1333,
        val_limit: 0,
        channels: [256, 256, 1024],
        head: BoxHeadKind::FourConvolutions,
        proposals: [(2000, 1000), (1000, 1000)].map(|(before, after)| ProposalLimits { before, after }),
        sampled: [256, 512],
    }
}

fn small() -> Protocol {
    Protocol {
        steps: 300,
        warmup: 30,
        batch: 4,
        lr: 0.02,
        train_sides: vec![128],
        side: 128,
        longest: 256,
        val_limit: 200,
        channels: [32, 32, 128],
        head: BoxHeadKind::TwoLinear,
        proposals: [(300, 150), (200, 50)].map(|(before, after)| ProposalLimits { before, after }),
        sampled: [128, 64],
    }
}

impl Protocol {
    /// The learning rate of a step, counted from 0.
    pub fn lr_at(&self, step: u64) -> f64 {
        let done = step as f64 / self.steps as f64;
        let drops = DROPS.iter().filter(|drop| done >= **drop).count() as i32;
        let warm = (step as f64 / self.warmup.max(1) as f64).min(1.0);
        self.lr * 0.1f64.powi(drops) * (WARMUP_FROM + (1.0 - WARMUP_FROM) * warm)
    }

    /// The detector for so many classes.
    pub fn design(&self, classes: usize, masks: bool) -> Design {
        let [channels, mask_channels, hidden] = self.channels;
        let [sampled_anchors, sampled_regions] = self.sampled;
        Design {
            classes,
            channels,
            head: self.head,
            hidden,
            masks: masks.then_some(mask_channels),
            norm: true,
            proposals: self.proposals,
            sampled_anchors,
            sampled_regions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learning_rates_are_those_of_the_published_schedules() {
        // detectron2: WARMUP_FACTOR 1/1000, WARMUP_ITERS 1000, STEPS (60000, 80000) and (120000, 160000).
        let cases = [
            (ProtocolName::CocoOnce, 0, 2e-5),
            (ProtocolName::CocoOnce, 500, 0.02 * 0.5005),
            (ProtocolName::CocoOnce, 59_999, 0.02),
            (ProtocolName::CocoOnce, 60_000, 0.002),
            (ProtocolName::CocoOnce, 80_000, 0.0002),
            (ProtocolName::CocoTwice, 119_999, 0.02),
            (ProtocolName::CocoTwice, 120_000, 0.002),
            (ProtocolName::CocoTwice, 160_000, 0.0002),
        ];
        for (name, step, expected) in cases {
            let lr = name.protocol().lr_at(step);
            assert!((lr / expected - 1.0).abs() < 1e-9, "{name:?}, step {step}: {lr}");
        }
    }
}
