//! Horizontal flip.

/// Exchanges left and right of 8-bit RGB `pixels`, `[height, width, 3]`.
pub(super) fn flip(pixels: &mut [u8], width: usize) {
    let (pixels, _) = pixels.as_chunks_mut::<3>();
    pixels.chunks_exact_mut(width).for_each(<[[u8; 3]]>::reverse);
}
