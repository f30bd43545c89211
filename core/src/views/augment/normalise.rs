//! Normalisation to what the network sees: `(level / 255 - mean) / std`, channels last.

use super::rows::Row;
use crate::vectorised::vectorised;

/// The normalisation of the three channels, each as one multiplication and one addition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Normalisation {
    slopes: [f32; 3],
    offsets: [f32; 3],
}

impl Normalisation {
    pub fn new(mean: &[f32; 3], std: &[f32; 3]) -> Self {
        let slopes = std.map(|std| 1.0 / (255.0 * std));
        let offsets = std::array::from_fn(|channel| -mean[channel] / std[channel]);
        Self { slopes, offsets }
    }

    /// Writes a row to `out`, `[side, 3]`.
    pub fn row(&self, [reds, greens, blues]: Row<'_>, out: &mut [f32]) {
        let (pixels, _) = out.as_chunks_mut::<3>();
        vectorised(|| {
            for (((pixel, red), green), blue) in
                pixels.iter_mut().zip(reds.iter()).zip(greens.iter()).zip(blues.iter())
            {
                *pixel = self.of([*red, *green, *blue]);
            }
        });
    }

    /// Writes 8-bit `pixels`, `[height, width, 3]`, to `out` of the same shape.
    pub fn pixels(&self, pixels: &[u8], out: &mut [f32]) {
        let (pixels, _) = pixels.as_chunks::<3>();
        let (normalised, _) = out.as_chunks_mut::<3>();
        vectorised(|| {
            for (pixel, normalised) in pixels.iter().zip(normalised.iter_mut()) {
                *normalised = self.of(pixel.map(f32::from));
            }
        });
    }

    #[inline(always)]
    fn of(&self, pixel: [f32; 3]) -> [f32; 3] {
        std::array::from_fn(|channel| pixel[channel] * self.slopes[channel] + self.offsets[channel])
    }
}
