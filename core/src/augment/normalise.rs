//! Normalisation to what the network sees: `(level / 255 - mean) / std`, channels last.

use super::planes::Planes;

/// Writes `planes` to `out`, `[side, side, 3]`.
pub(super) fn planes(planes: &Planes, mean: &[f32; 3], std: &[f32; 3], out: &mut [f32]) {
    let [red, green, blue] = [0, 1, 2].map(|channel| Line::new(mean[channel], std[channel]));
    let [reds, greens, blues] = planes.each();
    let (pixels, _) = out.as_chunks_mut::<3>();
    for (((pixel, r), g), b) in pixels.iter_mut().zip(reds).zip(greens).zip(blues) {
        *pixel = [red.at(*r), green.at(*g), blue.at(*b)];
    }
}

/// Writes 8-bit `pixels`, `[side, side, 3]`, to `out` of the same shape.
pub(super) fn pixels(pixels: &[u8], mean: &[f32; 3], std: &[f32; 3], out: &mut [f32]) {
    let lines = [0, 1, 2].map(|channel| Line::new(mean[channel], std[channel]));
    let (pixels, _) = pixels.as_chunks::<3>();
    let (normalised, _) = out.as_chunks_mut::<3>();
    for (pixel, normalised) in pixels.iter().zip(normalised) {
        for channel in 0..3 {
            normalised[channel] = lines[channel].at(f32::from(pixel[channel]));
        }
    }
}

/// The normalisation of one channel as one multiplication and one addition.
struct Line {
    slope: f32,
    offset: f32,
}

impl Line {
    fn new(mean: f32, std: f32) -> Self {
        Self { slope: 1.0 / (255.0 * std), offset: -mean / std }
    }

    #[inline(always)]
    fn at(&self, level: f32) -> f32 {
        level * self.slope + self.offset
    }
}
