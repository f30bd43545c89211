//! Texture: which of ten steps of strength each of eight directional derivatives has at a pixel.
//!
//! OpenCV's directions are the Scharr derivatives along x, y and the two diagonals, with the rising and the
//! falling slopes apart, each stretched to 0..=255 over the image.

use crate::colour::Planes;
use crate::rotate::Rotation;
use crate::rounding::{round, round_to_byte};
use crate::slopes::{Pixel, Slopes, interleaved, row_of_slopes};
use univip_core::vectorised::vectorised;

/// Lines along which slopes are taken in each channel; each gives two directions.
pub const LINES: usize = 4;
/// Steps of strength of each direction.
pub const BINS: usize = 10;
/// Codes of a slope: a rising one in `0..BINS`, a falling one or none in `BINS..2 * BINS`.
pub const CODES: usize = 2 * BINS;

/// Slopes of a pixel: 4 lines of 4 channels, of which an image has one or three.
const LANES: usize = LINES * 4;

/// The slopes of an image, coded.
pub struct Texture {
    /// Of every pixel and line, for each channel, the code above `CODES` times the number of the line among all lines
    /// of all channels, which are ordered by channel. Of channels that the image does not have nothing is meant.
    pub codes: Vec<[[u8; 4]; LINES]>,
    /// For each channel and line, the bin in which the falling direction counts a rising slope.
    pub not_falling: Vec<u8>,
}

impl Texture {
    /// Codes every pixel of an image, of which `rotation` knows the size.
    pub fn of(planes: &Planes, rotation: &Rotation) -> Self {
        let derivatives = Derivatives::of(planes, rotation);
        let mut row = Row::new(planes.width);
        let mut extremes = [[0.0f32; LANES]; 2];
        for y in 0..planes.height {
            vectorised(
                #[inline(always)]
                || {
                    derivatives.row(y, &mut row);
                    extremes = row.extremes(extremes);
                },
            );
        }
        let scale = Scale::of(&extremes);
        let mut codes = vec![[[0; 4]; LINES]; planes.width * planes.height];
        for (y, codes) in codes.chunks_exact_mut(planes.width).enumerate() {
            vectorised(
                #[inline(always)]
                || {
                    derivatives.row(y, &mut row);
                    row.code(&scale, codes);
                },
            );
        }
        let lanes =
            (0..planes.channels.len()).flat_map(|channel| (0..LINES).map(move |line| 4 * line + channel));
        let not_falling = scale.codes(&[0.0; LANES]);
        let not_falling =
            lanes.map(|lane| not_falling.as_flattened()[lane] % CODES as u8 - BINS as u8).collect();
        Self { codes, not_falling }
    }
}

/// The slopes of an image, a row at a time: to make them twice costs less than to keep them.
struct Derivatives<'a> {
    rotation: &'a Rotation,
    /// The image with a border that mirrors it.
    mirrored: Vec<Pixel>,
    /// The slopes of the rotated image.
    rotated: Vec<Slopes>,
    width: usize,
}

impl<'a> Derivatives<'a> {
    fn of(planes: &Planes, rotation: &'a Rotation) -> Self {
        let pixels = interleaved(planes);
        let (width, height) = (planes.width, planes.height);
        let mirror = |shifted: usize, length: usize| match shifted {
            0 => 1.min(length - 1),
            past if past > length => length.saturating_sub(2),
            inside => inside - 1,
        };
        let mut mirrored = Vec::with_capacity((width + 2) * (height + 2));
        for y in 0..height + 2 {
            let row = &pixels[mirror(y, height) * width..][..width];
            mirrored.push(row[mirror(0, width)]);
            mirrored.extend(row);
            mirrored.push(row[mirror(width + 1, width)]);
        }
        Self { rotation, mirrored, rotated: rotation.slopes(&pixels), width }
    }

    #[inline(always)]
    fn row(&self, y: usize, row: &mut Row) {
        let rows = |below: usize| &self.mirrored[(y + below) * (self.width + 2)..][..self.width + 2];
        row_of_slopes([rows(0), rows(1), rows(2)], &mut row.straight);
        self.rotation.row_of_diagonals(&self.rotated, y, &mut row.diagonal);
    }
}

/// The slopes of a row of pixels, by line and then by channel.
struct Row {
    straight: Vec<Slopes>,
    diagonal: Vec<[f32; 8]>,
}

impl Row {
    fn new(width: usize) -> Self {
        Self { straight: vec![[0; 8]; width], diagonal: vec![[0.0; 8]; width] }
    }

    /// All slopes of a pixel.
    #[inline(always)]
    fn pixel(&self, x: usize) -> [f32; LANES] {
        let (straight, diagonal) = (self.straight[x], self.diagonal[x]);
        let mut slopes = [0.0; LANES];
        for lane in 0..8 {
            slopes[lane] = f32::from(straight[lane]);
            slopes[8 + lane] = diagonal[lane];
        }
        slopes
    }

    /// The least and the greatest slope of each lane, of this row and of what was before it.
    #[inline(always)]
    fn extremes(&self, [mut low, mut high]: [[f32; LANES]; 2]) -> [[f32; LANES]; 2] {
        for x in 0..self.straight.len() {
            let slopes = self.pixel(x);
            for lane in 0..LANES {
                low[lane] = if slopes[lane] < low[lane] { slopes[lane] } else { low[lane] };
            }
            for lane in 0..LANES {
                high[lane] = if slopes[lane] > high[lane] { slopes[lane] } else { high[lane] };
            }
        }
        [low, high]
    }

    #[inline(always)]
    fn code(&self, scale: &Scale, codes: &mut [[[u8; 4]; LINES]]) {
        // A copy, which no write to the codes can change.
        let scale = *scale;
        for (x, codes) in codes.iter_mut().enumerate().take(self.straight.len()) {
            *codes = scale.codes(&self.pixel(x));
        }
    }
}

/// Maps from slopes to codes: per lane, one of the falling slopes (and zero) and one of the rising ones.
#[derive(Clone, Copy)]
struct Scale {
    falling: Stretches,
    rising: Stretches,
}

/// Linear maps of slopes to 0..=255, and the codes of their first bins.
#[derive(Clone, Copy)]
struct Stretches {
    factors: [f32; LANES],
    shifts: [f32; LANES],
    first: [f32; LANES],
}

impl Scale {
    fn of([low, high]: &[[f32; LANES]; 2]) -> Self {
        let none = [0.0; LANES];
        Self { falling: Stretches::of(low, &none, BINS), rising: Stretches::of(&none, high, 0) }
    }

    #[inline(always)]
    fn codes(&self, slopes: &[f32; LANES]) -> [[u8; 4]; LINES] {
        let factors = choose(slopes, &self.rising.factors, &self.falling.factors);
        let shifts = choose(slopes, &self.rising.shifts, &self.falling.shifts);
        let first = choose(slopes, &self.rising.first, &self.falling.first);
        let mut values = [0.0; LANES];
        for lane in 0..LANES {
            values[lane] = slopes[lane] * factors[lane] + shifts[lane];
        }
        for value in &mut values {
            *value = round(*value);
        }
        // Each of ten bins is 25.6 values wide: a value over 25.6 has 7 binary places, and with this much less it
        // rounds down to its bin.
        const LESS: f32 = 127.0 / 256.0;
        for lane in 0..LANES {
            values[lane] = values[lane] * (BINS as f32 / 256.0) + (first[lane] - LESS);
        }
        let mut codes = [[0; 4]; LINES];
        for (code, value) in codes.as_flattened_mut().iter_mut().zip(values) {
            *code = round_to_byte(value);
        }
        codes
    }
}

/// One of two numbers in each lane, by whether its slope rises.
#[inline(always)]
fn choose(slopes: &[f32; LANES], rising: &[f32; LANES], falling: &[f32; LANES]) -> [f32; LANES] {
    let mut chosen = [0.0; LANES];
    for lane in 0..LANES {
        chosen[lane] = if slopes[lane] > 0.0 { rising[lane] } else { falling[lane] };
    }
    chosen
}

impl Stretches {
    /// From the slopes of every lane that become 0 and 255, and the code that bin 0 has in each line.
    fn of(low: &[f32; LANES], high: &[f32; LANES], first: usize) -> Self {
        let mut stretches = Self { factors: [0.0; LANES], shifts: [0.0; LANES], first: [0.0; LANES] };
        for lane in 0..LANES {
            // Lines are numbered by channel.
            let line = lane % 4 * LINES + lane / 4;
            stretches.first[lane] = ((line * CODES + first) % 256) as f32;
            if low[lane] < high[lane] {
                let factor = 255.0 / (f64::from(high[lane]) - f64::from(low[lane]));
                stretches.factors[lane] = factor as f32;
                stretches.shifts[lane] = (-f64::from(low[lane]) * factor) as f32;
            }
        }
        stretches
    }
}
