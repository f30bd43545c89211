//! Colour spaces as OpenCV's `cvtColor` makes them from 8-bit RGB, in the same integer arithmetic.

use image::RgbImage;
use serde::{Deserialize, Serialize};

/// A colour space in which regions are found and compared (Section 3.2 of Uijlings et al.).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColourSpace {
    /// Hue in 0..180 (two degrees a step), saturation, value.
    Hsv,
    /// CIE L\*a\*b\* under D65, each channel scaled to 0..=255.
    Lab,
    /// Luma.
    Grey,
    /// The hue of [`ColourSpace::Hsv`] alone.
    Hue,
    /// The blue channel alone.
    Blue,
    /// Red, green and luma.
    Rgi,
}

/// An image as separate 8-bit channels, each row-major.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planes {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// One or three channels of `width * height` values.
    pub channels: Vec<Vec<u8>>,
}

impl Planes {
    /// Converts an image.
    pub fn of(image: &RgbImage, space: ColourSpace) -> Self {
        let channels = match space {
            ColourSpace::Hsv => {
                let tables = HsvTables::new();
                three(image, |rgb| tables.convert(rgb))
            }
            ColourSpace::Lab => {
                let tables = LabTables::new();
                three(image, |rgb| tables.convert(rgb))
            }
            ColourSpace::Grey => one(image, luma),
            ColourSpace::Hue => {
                let tables = HsvTables::new();
                one(image, |rgb| tables.convert(rgb)[0])
            }
            ColourSpace::Blue => one(image, |rgb| rgb[2]),
            ColourSpace::Rgi => three(image, |rgb| [rgb[0], rgb[1], luma(rgb)]),
        };
        Self { width: image.width() as usize, height: image.height() as usize, channels }
    }
}

fn one(image: &RgbImage, convert: impl Fn([u8; 3]) -> u8) -> Vec<Vec<u8>> {
    vec![image.pixels().map(|pixel| convert(pixel.0)).collect()]
}

fn three(image: &RgbImage, convert: impl Fn([u8; 3]) -> [u8; 3]) -> Vec<Vec<u8>> {
    let mut channels = vec![Vec::new(); 3];
    channels.iter_mut().for_each(|channel| channel.reserve_exact(image.pixels().len()));
    let (mut last, mut converted) = ([0; 3], convert([0; 3]));
    for pixel in image.pixels() {
        if pixel.0 != last {
            (last, converted) = (pixel.0, convert(pixel.0));
        }
        for (channel, value) in channels.iter_mut().zip(converted) {
            channel.push(value);
        }
    }
    channels
}

/// ITU-R BT.601 luma in 15-bit fixed point.
fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 9798 + u32::from(g) * 19235 + u32::from(b) * 3735 + (1 << 14)) >> 15) as u8
}

/// Division by every 8-bit number as a multiplication in 12-bit fixed point.
struct HsvTables {
    saturation: [i32; 256],
    hue: [i32; 256],
}

impl HsvTables {
    fn new() -> Self {
        let inverse = |numerator: f64| {
            std::array::from_fn(|i| if i == 0 { 0 } else { (numerator / i as f64).round_ties_even() as i32 })
        };
        Self { saturation: inverse(f64::from(255 << 12)), hue: inverse(f64::from(180 << 12) / 6.0) }
    }

    fn convert(&self, rgb: [u8; 3]) -> [u8; 3] {
        let [r, g, b] = rgb.map(i32::from);
        let value = r.max(g).max(b);
        let range = value - r.min(g).min(b);
        let sector = if value == r {
            g - b
        } else if value == g {
            b - r + 2 * range
        } else {
            r - g + 4 * range
        };
        let descale = |product: i32| (product + (1 << 11)) >> 12;
        let hue = descale(sector * self.hue[range as usize]);
        let saturation = descale(range * self.saturation[value as usize]);
        [(if hue < 0 { hue + 180 } else { hue }) as u8, saturation as u8, value as u8]
    }
}

/// The sRGB curve and the cube root of L\*a\*b\* in fixed point (3 and 15 fractional bits).
struct LabTables {
    linear: Vec<i32>,
    root: Vec<i32>,
}

impl LabTables {
    /// sRGB primaries to XYZ over the D65 white point, in 12-bit fixed point.
    const XYZ: [[i32; 3]; 3] = [[1777, 1541, 778], [871, 2929, 296], [73, 448, 3575]];

    fn new() -> Self {
        let linear = (0..256).map(|i| {
            let x = f64::from(i) / 255.0;
            let y = if x <= 0.04045 { x / 12.92 } else { ((x + 0.055) / 1.055).powf(2.4) };
            (2040.0 * y).round_ties_even() as i32
        });
        let root = (0..3072).map(|i| {
            let x = f64::from(i) / 2040.0;
            let y = if x < 0.008856 { x * 7.787 + 16.0 / 116.0 } else { x.cbrt() };
            // Rounded to single precision first: as in OpenCV, that decides which way two entries go.
            ((32768.0 * y) as f32).round_ties_even() as i32
        });
        Self { linear: linear.collect(), root: root.collect() }
    }

    fn convert(&self, rgb: [u8; 3]) -> [u8; 3] {
        let linear = rgb.map(|value| self.linear[usize::from(value)]);
        let [x, y, z] = Self::XYZ.map(|row| {
            let sum: i32 = row.iter().zip(linear).map(|(weight, value)| weight * value).sum();
            self.root[((sum + (1 << 11)) >> 12) as usize]
        });
        let descale = |scaled: i32| ((scaled + (1 << 14)) >> 15).clamp(0, 255) as u8;
        // L* = 116 y - 16 and 255/100, in integers as OpenCV rounds them.
        let (scale, shift) = ((116 * 255 + 50) / 100, -((16 * 255 * (1 << 15) + 50) / 100));
        [
            descale(scale * y + shift),
            descale(500 * (x - y) + (128 << 15)),
            descale(200 * (y - z) + (128 << 15)),
        ]
    }
}
