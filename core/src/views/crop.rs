//! The random resized crop.

use crate::geometry::{BoundingBox, Size};
use crate::seed::Stream;
use rand::Rng;
use serde::{Deserialize, Serialize};
use univip_stdx::config::{Invalid, ordered, require};

/// The limits of a random resized crop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CropLimits {
    /// Share of the image's area, from and to.
    pub scale: [f64; 2],
    /// Width over height, from and to.
    pub ratio: [f64; 2],
}

/// Refuses shares of an image's area that are no range within it.
///
/// # Errors
/// With `key` and the range found.
pub fn area_share(key: &'static str, scale: [f64; 2]) -> Result<(), Invalid> {
    ordered(key, scale)?;
    require(scale[1] <= 1.0, key, || format!("expected at most 1, the whole image, found {}", scale[1]))
}

impl Default for CropLimits {
    fn default() -> Self {
        Self { scale: [0.08, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0] }
    }
}

impl CropLimits {
    /// A random resized crop of an image of `size`, by torchvision's rule (`RandomResizedCrop.get_params`).
    ///
    /// Area uniform in `scale`, logarithm of the aspect ratio uniform in `ratio`. After ten crops that do not
    /// fit, the largest one in the centre whose aspect ratio is within `ratio`. Always inside the image.
    pub fn sample(&self, size: Size, stream: &mut Stream) -> BoundingBox {
        let area = f64::from(size.width) * f64::from(size.height);
        let [narrowest, widest] = self.ratio;
        for _ in 0..10 {
            let share = uniform(self.scale[0], self.scale[1], stream);
            let ratio = uniform(narrowest.ln(), widest.ln(), stream).exp();
            let width = (area * share * ratio).sqrt().round_ties_even() as u32;
            let height = (area * share / ratio).sqrt().round_ties_even() as u32;
            if (1..=size.width).contains(&width) && (1..=size.height).contains(&height) {
                let y = stream.random_range(0..=size.height - height);
                let x = stream.random_range(0..=size.width - width);
                return BoundingBox::new(x, y, width, height);
            }
        }
        self.centre(size)
    }

    /// The largest crop around the centre whose aspect ratio is within `ratio`, to the nearest pixel.
    fn centre(&self, size: Size) -> BoundingBox {
        let [narrowest, widest] = self.ratio;
        let ratio = f64::from(size.width) / f64::from(size.height);
        let side = |exact: f64, most: u32| (exact.round_ties_even() as u32).clamp(1, most);
        let (width, height) = if ratio < narrowest {
            (size.width, side(f64::from(size.width) / narrowest, size.height))
        } else if ratio > widest {
            (side(f64::from(size.height) * widest, size.width), size.height)
        } else {
            (size.width, size.height)
        };
        BoundingBox::new((size.width - width) / 2, (size.height - height) / 2, width, height)
    }
}

/// A number between `from` and `to`.
fn uniform(from: f64, to: f64, stream: &mut Stream) -> f64 {
    from + (to - from) * stream.random::<f64>()
}
