//! Naive boxes: random ones where proposals are missing (Section 3.2, A.2).

use super::BoxLimits;
use crate::geometry::BoundingBox;
use crate::seed::Stream;
use rand::Rng;

/// Appends random boxes inside `region` to `boxes` until there are `count`.
///
/// A box's sides are drawn uniformly among all pairs that the limits allow, its corner uniformly among
/// the places where it fits; one that overlaps an earlier box by more than the limit is drawn again. The
/// limits give way rather than the count:
/// 1. a `region` with a side below `limits.min_side` lowers that limit to its shortest side;
/// 2. when a hundred draws found no place, the one that overlaps the others least is taken.
///
/// The aspect ratio always holds. Nothing is drawn when `boxes` already has `count`.
pub fn fill_with_naive_boxes(
    boxes: &mut Vec<BoundingBox>,
    count: usize,
    region: BoundingBox,
    limits: &BoxLimits,
    stream: &mut Stream,
) {
    if boxes.len() >= count {
        return;
    }
    let sides = Sides::allowed(region, limits);
    while boxes.len() < count {
        let naive = least_overlapping(boxes, region, &sides, limits.max_iou, stream);
        boxes.push(naive);
    }
}

/// Draws for one box before an overlap above the limit is accepted. Four boxes of the paper's limits fit
/// at once into most overlaps, so that the bound is rarely met.
const TRIES: u32 = 100;

/// The first of [`TRIES`] draws whose IoU with every box is at most `max_iou`, or else the lowest.
fn least_overlapping(
    boxes: &[BoundingBox],
    region: BoundingBox,
    sides: &Sides,
    max_iou: f32,
    stream: &mut Stream,
) -> BoundingBox {
    let mut draw = || {
        let candidate = sides.draw(region, stream);
        let overlap = boxes.iter().map(|other| other.iou(&candidate)).fold(0.0, f32::max);
        (candidate, overlap)
    };
    let mut best = draw();
    for _ in 1..TRIES {
        if best.1 <= max_iou {
            break;
        }
        let other = draw();
        if other.1 < best.1 {
            best = other;
        }
    }
    best.0
}

/// All pairs of sides that fit a region and obey the limits.
struct Sides {
    /// For each width from `shortest` on: the lowest height, and how many pairs come before this width.
    heights: Vec<(u32, u64)>,
    shortest: u32,
    pairs: u64,
}

impl Sides {
    fn allowed(region: BoundingBox, limits: &BoxLimits) -> Self {
        let shortest = limits.min_side.min(region.width).min(region.height).max(1);
        // A square is always allowed, whatever a recipe says, so that there is always a pair.
        let aspect = limits.max_aspect.max(1.0);
        let mut heights = Vec::new();
        let mut pairs = 0;
        for width in shortest..=region.width {
            let highest = ((aspect * width as f32) as u32).min(region.height);
            let mut lowest = ((width as f32 / aspect) as u32).max(shortest);
            while aspect * (lowest as f32) < width as f32 {
                lowest += 1;
            }
            heights.push((lowest, pairs));
            pairs += u64::from((highest + 1).saturating_sub(lowest));
        }
        Self { heights, shortest, pairs }
    }

    fn draw(&self, region: BoundingBox, stream: &mut Stream) -> BoundingBox {
        let pair = stream.random_range(0..self.pairs);
        // The last width with at most `pair` pairs before it: one without any pair is never the last.
        let position = self.heights.partition_point(|(_, before)| *before <= pair) - 1;
        let (lowest, before) = self.heights[position];
        let width = self.shortest + position as u32;
        let height = lowest + (pair - before) as u32;
        BoundingBox {
            x: region.x + stream.random_range(0..=region.width - width),
            y: region.y + stream.random_range(0..=region.height - height),
            width,
            height,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;
    use crate::seed::stream;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_allowed_pair_of_sides_is_as_likely() {
        let region = BoundingBox::new(10, 20, 8, 5);
        let limits = BoxLimits { min_side: 2, max_aspect: 2.0, max_iou: 1.0, cap: 0 };
        let mut drawn = BTreeMap::new();
        let draws = 40_000;
        let mut stream = stream(0, "naive", &[]);
        for _ in 0..draws {
            let mut boxes = Vec::new();
            fill_with_naive_boxes(&mut boxes, 1, region, &limits, &mut stream);
            assert!(region.contains(&boxes[0]) && limits.allows(&boxes[0]), "{boxes:?}");
            *drawn.entry((boxes[0].width, boxes[0].height)).or_insert(0u32) += 1;
        }
        let all = |(width, height): &(u32, u32)| limits.allows(&BoundingBox::new(0, 0, *width, *height));
        let pairs = (1..=8).flat_map(|width| (1..=5).map(move |height| (width, height))).filter(all).count();
        assert_eq!(drawn.len(), pairs);
        let expected = f64::from(draws) / pairs as f64;
        let chi_squared: f64 = drawn.values().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum();
        // 21 pairs: the 99.9th percentile of chi squared with 20 degrees of freedom is 45.3.
        assert_eq!(pairs, 21);
        assert!(chi_squared < 45.3, "{chi_squared}");
    }

    #[test]
    fn the_overlap_limit_gives_way_when_no_place_is_left() {
        let region = BoundingBox::new(5, 5, 64, 64);
        let mut boxes = Vec::new();
        fill_with_naive_boxes(&mut boxes, 3, region, &BoxLimits::default(), &mut stream(0, "naive", &[]));
        assert_eq!(boxes, [region; 3]);
    }

    #[test]
    fn given_boxes_stay_first_and_none_is_drawn_beyond_the_count() {
        let given = vec![BoundingBox::new(0, 0, 70, 70), BoundingBox::new(300, 300, 90, 80)];
        let region = BoundingBox::whole(Size { width: 400, height: 400 });
        for count in [0, 1, 2, 6] {
            let mut boxes = given.clone();
            let limits = BoxLimits::default();
            fill_with_naive_boxes(&mut boxes, count, region, &limits, &mut stream(3, "naive", &[]));
            assert_eq!(boxes.len(), count.max(2));
            assert_eq!(boxes[..2], given);
            assert_eq!(limits.filter(&boxes), boxes, "there is room for the limits to hold");
        }
    }

    proptest! {
        #[test]
        fn naive_boxes_fit_any_region(
            (x, y, width, height) in (0u32..50, 0u32..50, 1u32..700, 1u32..700),
            min_side in 0u32..200, max_aspect in 1f32..5.0, max_iou in 0f32..1.0,
            count in 0usize..9, seed in any::<u64>(),
        ) {
            let region = BoundingBox::new(x, y, width, height);
            let limits = BoxLimits { min_side, max_aspect, max_iou, cap: 0 };
            let draw = || {
                let mut boxes = Vec::new();
                fill_with_naive_boxes(&mut boxes, count, region, &limits, &mut stream(seed, "naive", &[]));
                boxes
            };
            let boxes = draw();
            prop_assert_eq!(boxes.len(), count);
            let clamped = BoxLimits { min_side: min_side.min(width).min(height), ..limits };
            for one in &boxes {
                prop_assert!(region.contains(one) && clamped.allows(one), "{:?} in {:?}", one, region);
            }
            prop_assert_eq!(draw(), boxes);
        }
    }
}
