//! Limits on boxes that may be an instance (A.2, A.3).

use crate::geometry::BoundingBox;
use serde::{Deserialize, Serialize};

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
    /// True if side and aspect ratio are within the limits.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_and_aspect_ratios_at_the_limits_pass() {
        let limits = BoxLimits::default();
        let cases = [
            // (width, height, allowed)
            (64, 64, true),
            (63, 64, false),
            (64, 63, false),
            (64, 192, true),
            (192, 64, true),
            (64, 193, false),
            (193, 64, false),
            (1000, 400, true),
        ];
        for (width, height, allowed) in cases {
            assert_eq!(limits.allows(&BoundingBox::new(3, 5, width, height)), allowed, "{width} x {height}");
        }
    }

    #[test]
    fn the_filter_is_greedy_in_order_and_compares_with_kept_boxes_only() {
        let shifted = |x| BoundingBox::new(x, 0, 100, 100);
        // 0 and 30 share an IoU of 7/13, 30 and 60 too, 0 and 60 only 1/4: 60 passes since 30 is gone.
        let boxes = [shifted(0), shifted(30), shifted(60), BoundingBox::new(0, 0, 10, 10)];
        let limits = BoxLimits::default();
        assert_eq!(limits.filter(&boxes), [shifted(0), shifted(60)]);
        assert_eq!(BoxLimits { max_iou: 7.0 / 13.0, ..limits }.filter(&boxes).len(), 3, "equal passes");
        assert_eq!(BoxLimits { cap: 1, ..limits }.filter(&boxes), [shifted(0)]);
        assert_eq!(BoxLimits { min_side: 10, ..limits }.filter(&boxes).len(), 3);
    }
}
