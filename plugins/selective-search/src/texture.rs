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
    /// Codes every pixel of an image, of which `rotation` knows the size.
    pub fn of(planes: &Planes, rotation: &Rotation) -> Self {
        let (width, height) = (planes.width, planes.height);
        let stride = planes.channels.len() * LINES;
        let mut texture = Self { codes: vec![0; width * height * stride], not_falling: Vec::new() };
        for (index, channel) in planes.channels.iter().enumerate() {
            let straight = straight_derivatives(channel, width, height);
            let diagonal = rotation.diagonal_derivatives(channel);
            let lines: [&[f32]; LINES] = [&straight[0], &straight[1], &diagonal[0], &diagonal[1]];
            let scales = lines.map(Scale::of);
            texture.not_falling.extend(scales.iter().map(Scale::not_falling));
            let pixels = texture.codes.chunks_exact_mut(stride);
            for (pixel, codes) in pixels.map(|codes| &mut codes[index * LINES..][..LINES]).enumerate() {
                for ((code, scale), slopes) in codes.iter_mut().zip(&scales).zip(lines) {
                    *code = scale.code(slopes[pixel]);
                }
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

/// How the slopes along a line become codes: falling ones and zero, then rising ones.
struct Scale {
    stretches: [Stretch; 2],
    codes: [[u8; 256]; 2],
}

/// A linear map that takes the slopes of one sign to 0..=255.
struct Stretch {
    factor: f32,
    shift: f32,
}

impl Scale {
    fn of(slopes: &[f32]) -> Self {
        let (low, high) = extremes(slopes);
        let bin = |value: usize| (value as f32 / (256.0 / BINS as f32)) as u8;
        Self {
            stretches: [Stretch::of(low, 0.0), Stretch::of(0.0, high)],
            codes: [std::array::from_fn(|value| BINS as u8 + bin(value)), std::array::from_fn(bin)],
        }
    }

    fn code(&self, slope: f32) -> u8 {
        // Indexed by the sign, which no branch could predict.
        let sign = usize::from(slope > 0.0);
        self.codes[sign][self.stretches[sign].value(slope)]
    }

    /// The bin of the falling direction for a slope that does not fall.
    fn not_falling(&self) -> u8 {
        self.code(0.0) - BINS as u8
    }
}

/// The least and the greatest slope, at most and at least zero.
fn extremes(slopes: &[f32]) -> (f32, f32) {
    const LANES: usize = 8;
    let (mut low, mut high) = ([0.0f32; LANES], [0.0f32; LANES]);
    for chunk in slopes.chunks(LANES) {
        for ((low, high), &slope) in low.iter_mut().zip(&mut high).zip(chunk) {
            *low = if slope < *low { slope } else { *low };
            *high = if slope > *high { slope } else { *high };
        }
    }
    (low.into_iter().fold(0.0, f32::min), high.into_iter().fold(0.0, f32::max))
}

impl Stretch {
    fn of(low: f32, high: f32) -> Self {
        if low == high {
            return Self { factor: 0.0, shift: 0.0 };
        }
        let factor = 255.0 / (f64::from(high) - f64::from(low));
        Self { factor: factor as f32, shift: (-f64::from(low) * factor) as f32 }
    }

    fn value(&self, slope: f32) -> usize {
        // At most 255: the low byte is all of it, and spares the lookup a check.
        (round(slope * self.factor + self.shift) & 0xff) as usize
    }
}
