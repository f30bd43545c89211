//! Greedy non-maximum suppression.

use crate::boxes::Corners;
use std::collections::BTreeMap;

/// The boxes that overlap no better one of their group by more than `most_iou`: their indices, best score first.
/// A group is a class, or a map of the pyramid. Of equal scores the first comes first.
pub fn non_maximum_suppression(
    boxes: &[Corners],
    scores: &[f32],
    groups: &[usize],
    most_iou: f32,
) -> Vec<usize> {
    let mut order: Vec<usize> = (0..boxes.len()).collect();
    order.sort_by(|one, other| scores[*other].total_cmp(&scores[*one]));
    let mut kept_of: BTreeMap<usize, Vec<Corners>> = BTreeMap::new();
    order.retain(|index| {
        let kept = kept_of.entry(groups[*index]).or_default();
        let alone = !kept.iter().any(|better| better.iou(boxes[*index]) > most_iou);
        if alone {
            kept.push(boxes[*index]);
        }
        alone
    });
    order
}
