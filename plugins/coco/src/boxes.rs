//! COCO's fractional boxes as whole pixels.

use std::path::Path;
use univip_core::geometry::{BoundingBox, Size};

/// Counts of boxes that could not be used as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Degenerate {
    /// Reached over an edge of their image by more than a pixel and were cut off there.
    pub clipped: usize,
    /// Had no area, or none inside of their image, and were dropped.
    pub dropped: usize,
    /// The dropped ones by annotation id and file, at most the first ten.
    pub examples: Vec<String>,
}

impl Degenerate {
    /// The whole pixels that a box touches inside an image of `size`; none, and counted, when there are none.
    pub(crate) fn clip(
        &mut self,
        [left, top, width, height]: [f64; 4],
        size: Size,
        annotation: u64,
        path: &Path,
    ) -> Option<BoundingBox> {
        let across = |start: f64, extent: f64, limit: u32| {
            let limit = f64::from(limit);
            let (from, to) = (start.floor().clamp(0.0, limit), (start + extent).ceil().clamp(0.0, limit));
            (extent > 0.0 && from < to).then_some((from as u32, (to - from) as u32))
        };
        let touched = across(left, width, size.width).zip(across(top, height, size.height));
        let Some(((x, width_inside), (y, height_inside))) = touched else {
            self.dropped += 1;
            if self.examples.len() < 10 {
                self.examples.push(format!(
                    "annotation {annotation}: box [{left}, {top}, {width}, {height}] in {} of {} x {} pixels",
                    path.display(),
                    size.width,
                    size.height
                ));
            }
            return None;
        };
        let over =
            |start: f64, extent: f64, limit: u32| start < -1.0 || start + extent > f64::from(limit) + 1.0;
        if over(left, width, size.width) || over(top, height, size.height) {
            self.clipped += 1;
        }
        Some(BoundingBox::new(x, y, width_inside, height_inside))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_covers_the_pixels_it_touches_inside_its_image() {
        let cases = [
            // (COCO's box, the pixels, clipped, dropped)
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
            let mut counts = Degenerate::default();
            let size = Size { width: 20, height: 10 };
            assert_eq!(counts.clip(given, size, 7, Path::new("a.jpg")), expected, "{given:?}");
            assert_eq!((counts.clipped, counts.dropped), (clipped, dropped), "{given:?}");
            assert_eq!(counts.examples.iter().any(|example| example.contains("annotation 7")), dropped == 1);
        }
    }
}
