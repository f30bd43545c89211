//! `[evaluator.detection]`

use crate::box_head::BoxHeadKind;
use crate::protocol::{Measure, Protocol, ProtocolName, without_pyramid};
use serde::{Deserialize, Serialize};
use univip_core::recipe::Invalid;

/// `[evaluator.detection]`: a protocol, and the differences from it. Numbers measured with a difference name it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The protocol by which the detector is trained and measured.
    pub protocol: ProtocolName,
    /// The detector.
    pub architecture: Architecture,
    /// The box head; the protocol's where none is given, as for all that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<BoxHeadKind>,
    /// Optimiser steps; the learning rate falls in proportion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Images a step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// The highest learning rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// Short sides of training images in pixels, one drawn for each; measured at the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sides: Option<Vec<u32>>,
    /// The longest side of an image, in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest: Option<u32>,
    /// Val images that are measured; 0 is all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_limit: Option<usize>,
    /// Train images that are learnt from, the same ones for every run, fewer of them among more; 0 is all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_limit: Option<usize>,
    /// The backbone stays as it is, running statistics included, and only the layers behind it learn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<bool>,
    /// The backbone's learning rate, as a factor of that of the rest; 1 is the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backbone_lr_factor: Option<f64>,
    /// The definition of average precision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measure: Option<Measure>,
    /// Detectors that are trained, each from another seed; the numbers are their mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trials: Option<u64>,
    /// Batches from which the statistics of batch norm are computed anew after training; 0 leaves the running ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precise_norm: Option<u64>,
}

/// The detectors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// Boxes and masks, on a feature pyramid.
    #[default]
    MaskRcnn,
    /// The same without masks.
    FasterRcnn,
    /// Boxes and masks from the backbone's third and fourth stage, without a pyramid (Tables 10 and 11).
    MaskRcnnC4,
    /// The same without masks (Table 12).
    FasterRcnnC4,
    /// One stage, with the focal loss; published at half of the others' learning rate, which the protocols give.
    Retinanet,
}

impl Architecture {
    /// As recipes and metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Architecture::MaskRcnn => "mask-rcnn",
            Architecture::FasterRcnn => "faster-rcnn",
            Architecture::MaskRcnnC4 => "mask-rcnn-c4",
            Architecture::FasterRcnnC4 => "faster-rcnn-c4",
            Architecture::Retinanet => "retinanet",
        }
    }

    /// True if it predicts masks.
    pub fn masks(self) -> bool {
        matches!(self, Self::MaskRcnn | Self::MaskRcnnC4)
    }

    /// True if it works without a feature pyramid.
    pub fn c4(self) -> bool {
        matches!(self, Self::MaskRcnnC4 | Self::FasterRcnnC4)
    }
}

impl Config {
    /// The protocol with the differences.
    pub fn protocol(&self) -> Protocol {
        let mut named = self.protocol.protocol();
        if self.architecture == Architecture::Retinanet {
            named.lr /= 2.0;
        }
        if self.architecture.c4() && self.protocol != ProtocolName::Small {
            named.proposals = without_pyramid();
        }
        Protocol {
            head: self.head.unwrap_or(named.head),
            steps: self.steps.unwrap_or(named.steps),
            batch: self.batch.unwrap_or(named.batch),
            lr: self.lr.unwrap_or(named.lr),
            side: self.sides.as_ref().and_then(|sides| sides.last().copied()).unwrap_or(named.side),
            train_sides: self.sides.clone().unwrap_or(named.train_sides),
            longest: self.longest.unwrap_or(named.longest),
            val_limit: self.val_limit.unwrap_or(named.val_limit),
            train_limit: self.train_limit.unwrap_or(named.train_limit),
            frozen: self.frozen.unwrap_or(named.frozen),
            backbone_lr_factor: self.backbone_lr_factor.unwrap_or(named.backbone_lr_factor),
            measure: self.measure.unwrap_or(named.measure),
            trials: self.trials.unwrap_or(named.trials),
            precise_norm: self.precise_norm.unwrap_or(named.precise_norm),
            ..named
        }
    }

    /// The name of numbers measured so: `mask-rcnn small`, or `mask-rcnn small, lr = 0.01`.
    pub fn name(&self) -> String {
        let mut name = format!("{} {}", self.architecture.name(), self.protocol.name());
        let different =
            Self { protocol: ProtocolName::default(), architecture: Architecture::default(), ..self.clone() };
        if let Ok(serde_json::Value::Object(keys)) = serde_json::to_value(different) {
            let differences =
                keys.iter().filter(|(key, _)| !["protocol", "architecture"].contains(&key.as_str()));
            differences.for_each(|(key, value)| name += &format!(", {key} = {value}").replace('"', ""));
        }
        name
    }
}

impl univip_core::recipe::Config for Config {
    fn check(&self) -> Result<(), Invalid> {
        let refuse = |key, problem: String| Err(Invalid { key, problem });
        let Protocol { steps, batch, lr, train_sides, longest, measure, trials, .. } = self.protocol();
        if measure == Measure::Voc && self.architecture.masks() {
            let problem = format!(
                "\"{}\", but VOC measures no masks; it is for \"faster-rcnn-c4\" and others without",
                self.architecture.name()
            );
            return refuse("architecture", problem);
        }
        if self.head.is_some() && (self.architecture.c4() || self.architecture == Architecture::Retinanet) {
            let problem = format!("is set, but \"{}\" has no such box head", self.architecture.name());
            return refuse("head", problem);
        }
        if steps == 0 {
            return refuse("steps", "0; expected at least 1".into());
        }
        if batch == 0 {
            return refuse("batch", "0; expected at least 1 image".into());
        }
        if !(1..=100).contains(&trials) {
            return refuse("trials", format!("{trials}; expected 1 to 100"));
        }
        if !(lr > 0.0 && lr.is_finite()) {
            return refuse("lr", format!("{lr}; expected a number above 0"));
        }
        let factor = self.backbone_lr_factor.unwrap_or(1.0);
        if !(factor > 0.0 && factor.is_finite()) {
            let problem = format!("{factor}; expected a number above 0, or `frozen = true` in its place");
            return refuse("backbone_lr_factor", problem);
        }
        if self.frozen == Some(true) && self.backbone_lr_factor.is_some() {
            return refuse(
                "backbone_lr_factor",
                "is set, but with `frozen = true` the backbone does not learn".into(),
            );
        }
        let range = 32..=4096;
        if train_sides.is_empty() || !train_sides.iter().all(|side| range.contains(side)) {
            return refuse("sides", format!("{train_sides:?}; expected one or more of 32 to 4096 pixels"));
        }
        if !range.contains(&longest) || train_sides.iter().any(|side| *side > longest) {
            return refuse(
                "longest",
                format!("{longest} pixels; expected no less than the sides, and up to 4096"),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use univip_core::recipe::Table;

    #[test]
    fn numbers_are_called_by_protocol_and_differences() {
        let name = |text: &str| Table::of(text).read::<Config>().unwrap().name();
        assert_eq!(name(""), "mask-rcnn small");
        assert_eq!(
            name("architecture = \"faster-rcnn\"\nprotocol = \"coco-2x\"\nhead = \"2fc\"\nlr = 0.01"),
            "faster-rcnn coco-2x, head = 2fc, lr = 0.01"
        );
        assert_eq!(
            name("frozen = true\ntrain_limit = 500"),
            "mask-rcnn small, frozen = true, train_limit = 500"
        );
        assert_eq!(
            name("architecture = \"faster-rcnn-c4\"\nmeasure = \"voc\""),
            "faster-rcnn-c4 small, measure = voc"
        );
        assert_eq!(name("backbone_lr_factor = 3.0"), "mask-rcnn small, backbone_lr_factor = 3.0");
    }

    #[test]
    fn proposals_are_the_architectures_but_for_small() {
        let (pyramid, without) = ([(2000, 1000), (1000, 1000)], [(12_000, 2000), (6000, 1000)]);
        for (protocol, architecture, expected) in [
            (ProtocolName::CocoOnce, Architecture::MaskRcnn, pyramid),
            (ProtocolName::CocoTwice, Architecture::FasterRcnnC4, without),
            (ProtocolName::CocoOnce, Architecture::MaskRcnnC4, without),
            (ProtocolName::Voc, Architecture::FasterRcnn, pyramid),
            (ProtocolName::Voc, Architecture::FasterRcnnC4, without),
            (ProtocolName::Small, Architecture::FasterRcnnC4, [(300, 150), (200, 50)]),
        ] {
            let limits = Config { protocol, architecture, ..Config::default() }.protocol().proposals;
            assert_eq!(limits.map(|limits| (limits.before, limits.after)), expected, "{protocol:?}");
        }
    }

    #[test]
    fn values_out_of_range_are_refused_by_key() {
        for (text, problem) in [
            ("steps = 0", "`table.steps`: 0; expected at least 1"),
            ("batch = 0", "`table.batch`: 0; expected at least 1 image"),
            ("lr = -1.0", "`table.lr`: -1; expected a number above 0"),
            ("sides = []", "`table.sides`: []; expected one or more"),
            ("sides = [96, 512]", "`table.longest`: 256 pixels; expected no less than the sides"),
            ("protocol = \"coco-3x\"", "coco-2x"),
            ("protocol = \"voc-07+12\"", "`table.architecture`: \"mask-rcnn\", but VOC measures no masks"),
            ("measure = \"voc\"", "`table.architecture`: \"mask-rcnn\", but VOC measures no masks"),
            ("backbone_lr_factor = 0.0", "`table.backbone_lr_factor`: 0; expected a number above 0"),
            (
                "backbone_lr_factor = 3.0\nfrozen = true",
                "but with `frozen = true` the backbone does not learn",
            ),
            ("trials = 0", "`table.trials`: 0; expected 1 to 100"),
            (
                "architecture = \"mask-rcnn-c4\"\nhead = \"2fc\"",
                "`table.head`: is set, but \"mask-rcnn-c4\" has no such box head",
            ),
        ] {
            let error = Table::of(text).read::<Config>().unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
