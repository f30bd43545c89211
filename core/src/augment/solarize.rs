//! Solarisation.

use super::planes::Planes;

/// Inverts every level from 128 on, channel by channel.
pub(super) fn solarize(planes: &mut Planes) {
    for plane in planes.each_mut() {
        for level in plane {
            *level = if *level >= 128.0 { 255.0 - *level } else { *level };
        }
    }
}
