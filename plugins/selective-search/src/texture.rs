//! Texture: which of ten steps of strength each of eight directional derivatives has at a pixel.
//!
//! OpenCV's directions are the Scharr derivatives along x, y and the two diagonals, with the rising and the
//! falling slopes apart, each stretched to 0..=255 over the image.

use crate::colour::Planes;
use crate::rotate::{Rotation, round, slope};

/// Lines along which slopes are taken in each channel; each gives two directions.
pub const LINES: usize = 4;
/// Steps of strength of each direction.
pub const BINS: usize = 10;
/// Codes of a slope: a rising one in `0..BINS`, a falling one or none in `BINS..2 * BINS`.
pub const CODES: usize = 2 * BINS;

/// The slopes of an image, coded.
pub struct Texture {
    /// Of every pixel, for each channel, [`LINES`] codes.
    pub codes: Vec<u8>,
    /// For each channel and line, the bin in which the falling direction counts a rising slope.
    pub not_falling: Vec<u8>,
}

impl Texture {
    /// Codes every pixel of an image.
    pub fn of(planes: &Planes) -> Self {
        let (width, height) = (planes.width, planes.height);
        let stride = planes.channels.len() * LINES;
        let rotation = Rotation::new(width, height);
        let mut texture = Self { codes: vec![0; width * height * stride], not_falling: Vec::new() };
        for (index, channel) in planes.channels.iter().enumerate() {
            let mut lines = straight_derivatives(channel, width, height).into_iter();
            let diagonal = rotation.diagonal_derivatives(channel, width, height);
            for (line, slopes) in lines.by_ref().chain(diagonal).enumerate() {
                let scale = Scale::of(&slopes);
                let codes = texture.codes[index * LINES + line..].iter_mut().step_by(stride);
                for (code, slope) in codes.zip(slopes) {
                    *code = scale.code(slope);
                }
                texture.not_falling.push(scale.falling_bin(0.0));
            }
        }
        texture
    }
}

/// Scharr derivatives along x and y; the border mirrors.
fn straight_derivatives(channel: &[u8], width: usize, height: usize) -> [Vec<f32>; 2] {
    let mirrored = |at: usize, step: isize, length: usize| {
        let moved = at as isize + step;
        if moved < 0 {
            1.min(length - 1)
        } else if moved as usize >= length {
            length.saturating_sub(2)
        } else {
            moved as usize
        }
    };
    let mut derivatives = [(); 2].map(|()| vec![0.0f32; width * height]);
    let mut window = [(); 3].map(|()| vec![0i16; width + 2]);
    for y in 0..height {
        for (values, step) in window.iter_mut().zip([-1, 0, 1]) {
            let row = &channel[mirrored(y, step, height) * width..][..width];
            for (value, &pixel) in values[1..].iter_mut().zip(row) {
                *value = i16::from(pixel);
            }
            values[0] = i16::from(row[1.min(width - 1)]);
            values[width + 1] = i16::from(row[width.saturating_sub(2)]);
        }
        let [above, here, below] = &window;
        let [along_x, along_y] = &mut derivatives;
        let (along_x, along_y) = (&mut along_x[y * width..][..width], &mut along_y[y * width..][..width]);
        for x in 0..width {
            let three = |row: &[i16]| [row[x], row[x + 1], row[x + 2]];
            let [across, down] = slope(three(above), three(here), three(below));
            along_x[x] = f32::from(across);
            along_y[x] = f32::from(down);
        }
    }
    derivatives
}

/// How the slopes along a line stretch to 0..=255: the rising ones, and the falling ones.
struct Scale {
    rising: Stretch,
    falling: Stretch,
    bins: [u8; 256],
}

#[derive(Clone, Copy)]
struct Stretch {
    factor: f32,
    shift: f32,
}

impl Scale {
    fn of(slopes: &[f32]) -> Self {
        let (low, high) = slopes
            .iter()
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
        let bins = std::array::from_fn(|value| (value as f32 / (256.0 / BINS as f32)) as u8);
        Self {
            rising: Stretch::of(low.max(0.0), high.max(0.0)),
            falling: Stretch::of(low.min(0.0), high.min(0.0)),
            bins,
        }
    }

    fn code(&self, slope: f32) -> u8 {
        if slope > 0.0 { self.bins[self.rising.value(slope)] } else { BINS as u8 + self.falling_bin(slope) }
    }

    fn falling_bin(&self, slope: f32) -> u8 {
        self.bins[self.falling.value(slope)]
    }
}

impl Stretch {
    fn of(low: f32, high: f32) -> Self {
        if low == high {
            return Self { factor: 0.0, shift: 0.0 };
        }
        let factor = 255.0 / (f64::from(high) - f64::from(low));
        Self { factor: factor as f32, shift: (-f64::from(low) * factor) as f32 }
    }

    fn value(self, slope: f32) -> usize {
        round((slope * self.factor + self.shift).clamp(0.0, 255.0)) as usize
    }
}
