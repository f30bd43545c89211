//! The settings of fine-tuning: ORL's, `configs/benchmarks/semi_classification/imagenet_{1,10}percent`, and the
//! same for few small images.

use serde::{Deserialize, Serialize};

/// The protocols; numbers of different ones cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// 1% of the labels, as published.
    #[serde(rename = "semi-1pct-20ep")]
    OnePercent,
    /// 10% of the labels, as published.
    #[serde(rename = "semi-10pct-20ep")]
    TenPercent,
    /// 1% of the labels, in batches for hundreds of images.
    #[serde(rename = "semi-1pct-small")]
    OnePercentSmall,
    /// 10% of the labels, in batches for hundreds of images.
    #[serde(rename = "semi-10pct-small")]
    TenPercentSmall,
}

impl Protocol {
    /// As recipes and metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::OnePercent => "semi-1pct-20ep",
            Protocol::TenPercent => "semi-10pct-20ep",
            Protocol::OnePercentSmall => "semi-1pct-small",
            Protocol::TenPercentSmall => "semi-10pct-small",
        }
    }

    /// The settings of the protocol.
    pub fn fine_tuning(self) -> FineTuning {
        let published = FineTuning {
            share: 0.01,
            held_out: 10_000,
            batch: 256,
            weight_decay: 5e-4,
            epochs: 20,
            drops: &[12, 16],
            drop: 0.2,
        };
        // 400 of 4,000 images in batches of 256 would be 40 steps.
        let small = FineTuning { batch: 32, held_out: 400, ..published };
        match self {
            Protocol::OnePercent => published,
            Protocol::TenPercent => FineTuning { share: 0.1, weight_decay: 1e-4, ..published },
            Protocol::OnePercentSmall => small,
            Protocol::TenPercentSmall => FineTuning { share: 0.1, weight_decay: 1e-4, ..small },
        }
    }
}

/// The learning rates of the backbone, of which one is chosen.
pub const LEARNING_RATES: [f64; 3] = [0.1, 0.01, 0.001];
/// The candidate ratios of the classifier's learning rate to the backbone's.
pub const HEAD_MULTIPLIERS: [f64; 3] = [1.0, 10.0, 100.0];

/// The settings of fine-tuning by SGD of momentum 0.9, on random resized crops that are flipped half of the time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FineTuning {
    /// The share of train whose labels are learnt from.
    pub share: f64,
    /// The images of the rest of train that learning rate and multiplier are chosen by; as many as there are where
    /// there are fewer. As BYOL, which sets 10,009 images of ImageNet's train split aside.
    pub held_out: usize,
    /// Images a step.
    pub batch: usize,
    /// Of every parameter.
    pub weight_decay: f64,
    /// The number of times that each labelled image is seen.
    pub epochs: u64,
    /// The learning rates fall at the start of each of these epochs,
    pub drops: &'static [u64],
    /// to this much of what they were.
    pub drop: f64,
}

impl FineTuning {
    /// The learning rate of an epoch, from the first one's.
    pub fn lr(&self, first: f64, epoch: u64) -> f64 {
        first * self.drops.iter().filter(|drop| epoch >= **drop).map(|_| self.drop).product::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use univip_core::recipe::Table;

    const ALL: [Protocol; 4] =
        [Protocol::OnePercent, Protocol::TenPercent, Protocol::OnePercentSmall, Protocol::TenPercentSmall];

    #[test]
    fn recipes_name_protocols_as_metrics_do() {
        for protocol in ALL {
            let table = Table::of(&format!("protocols = [\"{}\"]", protocol.name()));
            assert_eq!(table.read::<Config>().unwrap().protocols, [protocol]);
        }
        for (text, expected) in [
            ("protocols = []", "names no protocol"),
            ("protocols = [\"semi-1pct-small\", \"semi-1pct-small\"]", "`semi-1pct-small` twice"),
            ("protocols = [\"semi\"]", "semi-10pct-20ep"),
        ] {
            let error = Table::of(text).read::<Config>().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_learning_rate_falls_to_a_fifth_twice() {
        for protocol in ALL {
            let found = [0, 11, 12, 15, 16, 19].map(|epoch| protocol.fine_tuning().lr(0.1, epoch));
            for (found, expected) in found.iter().zip([0.1, 0.1, 0.02, 0.02, 0.004, 0.004]) {
                assert!((found - expected).abs() < 1e-12, "{found}, {expected}");
            }
        }
    }
}
