//! From the mask of a box to pixels of the image.

use crate::boxes::Corners;
use crate::convention::Convention;
use crate::objects::Bitmap;

/// A square of probabilities, row by row, drawn into its box in an image of `[height, width]` pixels: the pixels whose
/// probability is above a half (in detectron2, a half or above).
pub fn paste(mask: &[f32], corners: Corners, [height, width]: [usize; 2], convention: Convention) -> Bitmap {
    let side = mask.len().isqrt();
    let axes = [
        Axis::new(corners.top, corners.bottom, side, convention),
        Axis::new(corners.left, corners.right, side, convention),
    ];
    let at = |row: i64, column: i64| {
        let range = 0..side as i64;
        if range.contains(&row) && range.contains(&column) {
            mask[row as usize * side + column as usize]
        } else {
            0.0
        }
    };
    let mut pixels = vec![false; height * width];
    let [rows, columns] = axes;
    for y in rows.pixels(height) {
        let (upper, lower, down) = rows.between(y);
        for x in columns.pixels(width) {
            let (near, far, across) = columns.between(x);
            let line = |row: i64| at(row, near) * (1.0 - across) + at(row, far) * across;
            let probability = line(upper) * (1.0 - down) + line(lower) * down;
            pixels[y as usize * width + x as usize] = match convention {
                Convention::Torchvision => probability > 0.5,
                Convention::Detectron2 => probability >= 0.5,
            };
        }
    }
    Bitmap { size: [height, width], pixels }
}

/// The positions of a mask's cells along one axis of the image. Beyond its outermost cells the mask fades out.
struct Axis {
    convention: Convention,
    cells: f32,
    /// The box with a cell more on each side; torchvision's in whole pixels.
    from: f32,
    to: f32,
}

impl Axis {
    fn new(from: f32, to: f32, side: usize, convention: Convention) -> Self {
        let (centre, half) = ((from + to) * 0.5, (to - from) * 0.5 * ((side + 2) as f32 / side as f32));
        let (from, to) = match convention {
            Convention::Torchvision => ((centre - half).trunc(), (centre + half).trunc()),
            Convention::Detectron2 => (centre - half, centre + half),
        };
        Self { convention, cells: (side + 2) as f32, from, to }
    }

    /// The pixels of an image of `size` that the mask may reach.
    fn pixels(&self, size: usize) -> std::ops::Range<i64> {
        (self.from.floor() as i64).max(0)..(self.to.floor() as i64 + 1).min(size as i64)
    }

    /// The two cells around a pixel's middle, counted from the mask's first one, and the second one's part.
    fn between(&self, pixel: i64) -> (i64, i64, f32) {
        let place = match self.convention {
            // The mask is resized to whole pixels, the last of which belongs to it.
            Convention::Torchvision => {
                let pixels = (self.to - self.from + 1.0).max(1.0);
                let last = self.cells - 1.0;
                ((pixel as f32 - self.from + 0.5) * (self.cells / pixels) - 0.5).clamp(0.0, last)
            }
            Convention::Detectron2 => {
                (pixel as f32 + 0.5 - self.from) / (self.to - self.from) * self.cells - 0.5
            }
        };
        let low = place.floor();
        // The border's cell comes first.
        (low as i64 - 1, low as i64, place - low)
    }
}
