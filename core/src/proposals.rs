//! Candidate instances: where their boxes come from (Section 3.2) and which are kept (A.3).

use crate::dataset::Dataset;
use crate::geometry::BoundingBox;
use anyhow::Result;
use serde::{Deserialize, Serialize};

/// A way to propose boxes for an image.
pub trait ProposalSource: Send + Sync {
    /// The boxes of image `index`, best first, unfiltered, each inside the image.
    ///
    /// Empty is a valid answer: the view sampler then draws naive boxes (Section 3.2).
    fn propose(&self, dataset: &dyn Dataset, index: usize) -> Result<Vec<BoundingBox>>;

    /// Whether the boxes cost enough to be kept on disk.
    fn stored(&self) -> bool {
        false
    }
}

/// The limits of A.3, applied when boxes are read, so that what is stored serves any limits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BoxLimits {
    /// The shortest side allowed, in pixels of the image. The paper: 64; ORL: 96.
    pub min_side: u32,
    /// The longest side over the shortest, at most. The paper: 3.
    pub max_aspect: f32,
    /// A box that overlaps a kept one by more than this IoU is dropped. The paper: 0.5.
    pub max_iou: f32,
    /// The number of boxes kept an image, in order; 0 keeps all. The paper: not stated; ORL: 100.
    pub cap: usize,
}

impl Default for BoxLimits {
    fn default() -> Self {
        Self { min_side: 64, max_aspect: 3.0, max_iou: 0.5, cap: 0 }
    }
}

impl BoxLimits {
    /// Whether side and aspect ratio are within the limits.
    pub fn allows(&self, candidate: &BoundingBox) -> bool {
        let short = candidate.width.min(candidate.height);
        let long = candidate.width.max(candidate.height);
        short >= self.min_side && long as f32 <= self.max_aspect * short as f32
    }

    /// The boxes that pass, greedily in order (A.3).
    pub fn filter(&self, boxes: &[BoundingBox]) -> Vec<BoundingBox> {
        let cap = if self.cap == 0 { usize::MAX } else { self.cap };
        let mut kept: Vec<BoundingBox> = Vec::new();
        for candidate in boxes.iter().filter(|candidate| self.allows(candidate)) {
            if kept.len() == cap {
                break;
            }
            if kept.iter().all(|other| other.iou(candidate) <= self.max_iou) {
                kept.push(*candidate);
            }
        }
        kept
    }
}
