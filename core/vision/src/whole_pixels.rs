//! Annotated boxes, in fractions of a pixel, as whole pixels.

use crate::geometry::{BoundingBox, Size};
use univip_stdx::tally::Tally;

/// Boxes that reach over an edge of their image by more than a pixel.
pub const CLIPPED: &str = "[box reaches out of its|boxes reach out of their] image and [is|are] cut off";

/// Boxes that cannot be learnt from.
pub const DROPPED: &str =
    "[box has no area inside of its|boxes have no area inside of their] image and [is|are] skipped";

/// The whole pixels that a box `[x, y, width, height]` touches inside an image of `size`; none when there are none.
/// Problems are counted under the name that `named` gives.
pub fn clip(
    given: [f64; 4],
    size: Size,
    tally: &mut Tally,
    named: impl FnOnce() -> String,
) -> Option<BoundingBox> {
    let [left, top, width, height] = given;
    let described = || format!("{} with {given:?} in {} x {} pixels", named(), size.width, size.height);
    let across = |start: f64, extent: f64, limit: u32| {
        let limit = f64::from(limit);
        let (from, to) = (start.floor().clamp(0.0, limit), (start + extent).ceil().clamp(0.0, limit));
        (extent > 0.0 && from < to).then_some((from as u32, (to - from) as u32))
    };
    let touched = across(left, width, size.width).zip(across(top, height, size.height));
    let Some(((x, width_inside), (y, height_inside))) = touched else {
        tally.add(DROPPED, described);
        return None;
    };
    let over = |start: f64, extent: f64, limit: u32| start < -1.0 || start + extent > f64::from(limit) + 1.0;
    if over(left, width, size.width) || over(top, height, size.height) {
        tally.add(CLIPPED, described);
    }
    Some(BoundingBox::new(x, y, width_inside, height_inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_covers_the_pixels_it_touches_inside_its_image() {
        let cases = [
            // (the box, the pixels, clipped, dropped)
            ([1.0, 2.0, 3.0, 4.0], Some(BoundingBox::new(1, 2, 3, 4)), 0, 0),
            ([1.9, 2.2, 3.0, 4.0], Some(BoundingBox::new(1, 2, 4, 5)), 0, 0),
            ([17.0, 0.0, 3.4, 10.0], Some(BoundingBox::new(17, 0, 3, 10)), 0, 0),
            ([15.0, -5.0, 10.0, 8.0], Some(BoundingBox::new(15, 0, 5, 3)), 1, 0),
            ([3.0, 3.0, 0.0, 4.0], None, 0, 1),
            ([3.0, 3.0, 4.0, -1.0], None, 0, 1),
            ([20.0, 3.0, 4.0, 4.0], None, 0, 1),
            ([f64::NAN, 3.0, 4.0, 4.0], None, 0, 1),
        ];
        for (given, expected, clipped, dropped) in cases {
            let (mut tally, size) = (Tally::default(), Size { width: 20, height: 10 });
            assert_eq!(clip(given, size, &mut tally, || "annotation 7".into()), expected, "{given:?}");
            assert_eq!((tally.count(CLIPPED), tally.count(DROPPED)), (clipped, dropped), "{given:?}");
            assert!(tally.lines().iter().all(|line| line.contains("annotation 7 with")));
        }
    }
}
