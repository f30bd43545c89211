//! Solarisation.

use super::rows::Change;

/// Inverts every level from 128 on, channel by channel.
pub(super) struct Solarize;

impl Change for Solarize {
    #[inline(always)]
    fn of(&self, pixel: [f32; 3]) -> [f32; 3] {
        pixel.map(|level| if level >= 128.0 { 255.0 - level } else { level })
    }
}
