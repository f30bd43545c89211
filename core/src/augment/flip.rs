//! Horizontal flip.

use super::planes::Planes;

/// Exchanges left and right.
pub(super) fn flip(planes: &mut Planes) {
    let side = planes.side();
    for plane in planes.each_mut() {
        plane.chunks_exact_mut(side).for_each(<[f32]>::reverse);
    }
}

/// Exchanges left and right of 8-bit RGB `pixels`, `[side, side, 3]`.
pub(super) fn flip_pixels(pixels: &mut [u8], side: usize) {
    let (pixels, _) = pixels.as_chunks_mut::<3>();
    pixels.chunks_exact_mut(side).for_each(<[[u8; 3]]>::reverse);
}
