//! Conversion to grey.

use super::rows::{Change, floor};

/// Gives each pixel its grey level in all three channels.
pub(super) struct Grey;

impl Change for Grey {
    #[inline(always)]
    fn of(&self, pixel: [f32; 3]) -> [f32; 3] {
        [level(pixel); 3]
    }
}

/// The grey level of a pixel of whole levels: ITU-R 601-2 luma in Pillow's 16-bit fixed point, rounded.
/// Floats hold every number in it exactly.
#[inline(always)]
pub(super) fn level([red, green, blue]: [f32; 3]) -> f32 {
    let fixed = 19595.0 * red + 38470.0 * green + 7471.0 * blue;
    floor((fixed + 32768.0) * (1.0 / 65536.0))
}
