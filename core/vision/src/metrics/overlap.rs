//! Intersection over union of boxes, in fractions of a pixel.

/// Intersection over union of two boxes `[x, y, width, height]`; with a crowd, of what is intersected the share of
/// `one` (pycocotools' `bbIou`). 0 where a box has no area.
#[inline]
pub fn box_iou(one: [f64; 4], other: [f64; 4], other_is_crowd: bool) -> f64 {
    let overlap = |axis: usize| {
        let (near, far) = (one[axis].max(other[axis]), one[axis] + one[axis + 2]);
        far.min(other[axis] + other[axis + 2]) - near
    };
    let (width, height) = (overlap(0), overlap(1));
    // Also where one of them is NaN.
    if !(width > 0.0 && height > 0.0) {
        return 0.0;
    }
    let shared = width * height;
    let own = one[2] * one[3];
    shared / if other_is_crowd { own } else { own + other[2] * other[3] - shared }
}
