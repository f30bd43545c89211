//! Proposals ground-truth: the boxes of a dataset's annotations. Table 8(b).

use anyhow::Result;
use serde::{Deserialize, Serialize};
use univip_core::dataset::Dataset;
use univip_core::error::ImageError;
use univip_core::geometry::BoundingBox;
use univip_core::proposals::ProposalSource;
use univip_core::registry::ProposalPlugin;

univip_core::register_proposals!("ground-truth", GroundTruth, "the boxes of the annotations, without crowds");

/// The annotated boxes in the annotations' order, without those around a crowd: an instance is one object.
pub struct GroundTruth;

/// `[proposal.ground-truth]`: nothing to choose.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {}

impl univip_core::recipe::Config for Config {}

impl ProposalPlugin for GroundTruth {
    type Config = Config;

    fn build(_config: Config) -> Result<Self> {
        Ok(Self)
    }
}

impl ProposalSource for GroundTruth {
    fn propose(&self, dataset: &dyn Dataset, index: usize) -> Result<Vec<BoundingBox>, ImageError> {
        let annotations = dataset.annotations(index)?;
        Ok(annotations.iter().filter(|one| !one.crowd).map(|one| one.bounding_box).collect())
    }

    fn annotated(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use univip_core::dataset::Annotation;

    struct Annotated(Vec<Annotation>);

    impl Dataset for Annotated {
        fn len(&self) -> usize {
            1
        }
        fn id(&self, index: usize) -> String {
            index.to_string()
        }
        fn image(&self, _index: usize) -> Result<image::RgbImage, ImageError> {
            Err(anyhow::anyhow!("annotations need no pixels").into())
        }
        fn annotations(&self, _index: usize) -> Result<Vec<Annotation>> {
            Ok(self.0.clone())
        }
        fn digest(&self) -> String {
            "0".repeat(16)
        }
    }

    #[test]
    fn boxes_come_in_order_and_crowds_are_left_out() {
        let at = |x, crowd| Annotation { bounding_box: BoundingBox::new(x, 0, 9, 9), class: 0, crowd };
        let dataset = Annotated(vec![at(5, false), at(1, true), at(3, false)]);
        let boxes = GroundTruth.propose(&dataset, 0).unwrap();
        assert_eq!(boxes, [5, 3].map(|x| BoundingBox::new(x, 0, 9, 9)));
        assert_eq!(GroundTruth.propose(&Annotated(Vec::new()), 0).unwrap(), []);
    }
}
