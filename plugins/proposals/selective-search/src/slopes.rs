//! Scharr derivatives of the channels of an image side by side.

use crate::colour::Planes;

/// Up to four channels of a pixel; those that an image does not have are zero.
pub type Pixel = [u8; 4];

/// The slopes of a pixel: along x of four channels, then along y.
pub type Slopes = [i16; 8];

/// The channels of every pixel beside each other.
pub fn interleaved(planes: &Planes) -> Vec<Pixel> {
    let mut pixels = vec![[0; 4]; planes.width * planes.height];
    for (index, channel) in planes.channels.iter().enumerate() {
        for (pixel, &value) in pixels.iter_mut().zip(channel) {
            pixel[index] = value;
        }
    }
    pixels
}

/// The slopes of a row from the one above, itself and the one below, each with one more pixel at either end.
#[inline(always)]
pub fn row_of_slopes([above, here, below]: [&[Pixel]; 3], slopes: &mut [Slopes]) {
    let width = slopes.len();
    let (above, here, below) = (&above[..width + 2], &here[..width + 2], &below[..width + 2]);
    for (x, slopes) in slopes.iter_mut().enumerate() {
        let corner = difference(below[x + 2], above[x]);
        let other = difference(above[x + 2], below[x]);
        let (across, down) = (difference(here[x + 2], here[x]), difference(below[x + 1], above[x + 1]));
        let mut both = [0; 8];
        for channel in 0..4 {
            both[channel] = 3 * (corner[channel] + other[channel]) + 10 * across[channel];
            both[4 + channel] = 3 * (corner[channel] - other[channel]) + 10 * down[channel];
        }
        *slopes = both;
    }
}

#[inline(always)]
fn difference(one: Pixel, other: Pixel) -> [i16; 4] {
    let mut difference = [0; 4];
    for channel in 0..4 {
        difference[channel] = i16::from(one[channel]) - i16::from(other[channel]);
    }
    difference
}
