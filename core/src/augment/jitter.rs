//! Colour jitter: torchvision's `ColorJitter` as it acts on Pillow images.

use super::grey;
use super::parameters::{Adjustment, Jitter};
use super::planes::{Planes, floor};

/// Applies the four adjustments in the drawn order.
pub(super) fn jitter(planes: &mut Planes, jitter: &Jitter) {
    for adjustment in jitter.order {
        match adjustment {
            Adjustment::Brightness => {
                planes.map(|pixel| pixel.map(|level| blend(0.0, level, jitter.brightness)))
            }
            Adjustment::Contrast => contrast(planes, jitter.contrast),
            Adjustment::Saturation => planes.map(|pixel| {
                let grey = grey::level(pixel);
                pixel.map(|level| blend(grey, level, jitter.saturation))
            }),
            Adjustment::Hue => turn_hue(planes, jitter.hue),
        }
    }
}

/// `from` at factor 0, `to` at factor 1 and beyond it further, truncated to a whole level as Pillow does.
#[inline(always)]
fn blend(from: f32, to: f32, factor: f32) -> f32 {
    floor(clip(from + factor * (to - from)))
}

#[inline(always)]
fn clip(level: f32) -> f32 {
    let level = if level > 0.0 { level } else { 0.0 };
    if level < 255.0 { level } else { 255.0 }
}

/// Blends with the mean grey level of the view, which is rounded to a whole level.
fn contrast(planes: &mut Planes, factor: f32) {
    let [reds, greens, blues] = planes.each();
    let side = planes.side();
    let rows = reds.chunks_exact(side).zip(greens.chunks_exact(side)).zip(blues.chunks_exact(side));
    // A row's sum is below 2^24 and so exact for any side up to 65536, and the order of its terms is free.
    let sum: f64 = rows
        .map(|((reds, greens), blues)| {
            let mut lanes = [0.0f32; 16];
            for (index, ((red, green), blue)) in reds.iter().zip(greens).zip(blues).enumerate() {
                lanes[index % 16] += grey::level([*red, *green, *blue]);
            }
            f64::from(lanes.iter().sum::<f32>())
        })
        .sum();
    let mean = (sum / (side * side) as f64 + 0.5).floor() as f32;
    planes.map(|pixel| pixel.map(|level| blend(mean, level, factor)));
}

/// Turns the hue by a share of a full turn through Pillow's 8-bit HSV, where a turn has 255 steps and the
/// sum wraps at 256.
fn turn_hue(planes: &mut Planes, turn: f32) {
    let steps = (turn * 255.0).trunc();
    if turn == 0.0 {
        return;
    }
    let shift = if steps < 0.0 { steps + 256.0 } else { steps };
    planes.map(|pixel| {
        let [hue, saturation, value] = to_hsv(pixel);
        let hue = hue + shift;
        let hue = if hue >= 256.0 { hue - 256.0 } else { hue };
        from_hsv([hue, saturation, value])
    });
}

/// Hue, saturation and value of a pixel, each a whole level 0..=255.
#[inline(always)]
fn to_hsv([red, green, blue]: [f32; 3]) -> [f32; 3] {
    let max = |a: f32, b: f32| if a > b { a } else { b };
    let min = |a: f32, b: f32| if a < b { a } else { b };
    let value = max(red, max(green, blue));
    let range = value - min(red, min(green, blue));
    // For a grey pixel every difference below is 0, and so are hue and saturation.
    let divisor = max(range, 1.0);
    let from_red = (green - blue) / divisor;
    let from_green = 2.0 + (blue - red) / divisor;
    let from_blue = 4.0 + (red - green) / divisor;
    let sector = if green == value { from_green } else { from_blue };
    let sector = if red == value { from_red } else { sector };
    let sector = if sector < 0.0 { sector + 6.0 } else { sector };
    let hue = floor(sector / 6.0 * 255.0);
    let saturation = floor(range / max(value, 1.0) * 255.0);
    [hue, saturation, value]
}

/// The inverse of [`to_hsv`], rounded to whole levels.
#[inline(always)]
fn from_hsv([hue, saturation, value]: [f32; 3]) -> [f32; 3] {
    let sector = hue * (6.0 / 255.0);
    let chroma = value * saturation / 255.0;
    // How far each channel lies below the value: 1 in the two sectors where it is lowest, 0 where it is highest.
    [5.0, 3.0, 1.0].map(|offset| {
        let position = sector + offset;
        let position = if position >= 6.0 { position - 6.0 } else { position };
        let falling = 4.0 - position;
        let depth = if position < falling { position } else { falling };
        let depth = if depth > 0.0 { depth } else { 0.0 };
        let depth = if depth < 1.0 { depth } else { 1.0 };
        floor(value - chroma * depth + 0.5)
    })
}
