//! Colour jitter: torchvision's `ColorJitter` as it acts on Pillow images.

use super::grey;
use super::parameters::{Adjustment, Jitter};
use super::rows::{Change, Row, change, floor};
use crate::vectorised::vectorised;

/// Applies one adjustment. `mean` is that of the view's grey levels, which the contrast alone looks at.
pub(super) fn adjust(row: Row<'_>, adjustment: Adjustment, jitter: &Jitter, mean: f32) {
    match adjustment {
        Adjustment::Brightness => change(row, Blend { from: 0.0, factor: jitter.brightness }),
        Adjustment::Contrast => change(row, Blend { from: mean, factor: jitter.contrast }),
        Adjustment::Saturation => change(row, Saturation { factor: jitter.saturation }),
        Adjustment::Hue if jitter.hue == 0.0 => {}
        Adjustment::Hue => change(row, Hue::turn(jitter.hue)),
    }
}

/// A blend of one level with all.
struct Blend {
    from: f32,
    factor: f32,
}

impl Change for Blend {
    #[inline(always)]
    fn of(&self, pixel: [f32; 3]) -> [f32; 3] {
        pixel.map(|level| blend(self.from, level, self.factor))
    }
}

/// A blend of each pixel with its grey.
struct Saturation {
    factor: f32,
}

impl Change for Saturation {
    #[inline(always)]
    fn of(&self, pixel: [f32; 3]) -> [f32; 3] {
        let grey = grey::level(pixel);
        pixel.map(|level| blend(grey, level, self.factor))
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

/// The sum of a row's grey levels: below 2^24 and so exact for any side up to 65536, in whatever order.
pub(super) fn sum_of_greys([reds, greens, blues]: Row<'_>) -> f64 {
    const LANES: usize = 16;
    let ((reds, red), (greens, green)) = (reds.as_chunks::<LANES>(), greens.as_chunks::<LANES>());
    let (blues, blue) = blues.as_chunks::<LANES>();
    let sums = vectorised(|| {
        let mut sums = [0.0f32; LANES];
        for ((reds, greens), blues) in reds.iter().zip(greens).zip(blues) {
            for lane in 0..LANES {
                sums[lane] += grey::level([reds[lane], greens[lane], blues[lane]]);
            }
        }
        sums
    });
    let rest = red.iter().zip(green).zip(blue);
    let rest: f32 = rest.map(|((red, green), blue)| grey::level([*red, *green, *blue])).sum();
    f64::from(sums.iter().sum::<f32>() + rest)
}

/// A turn of the hue through Pillow's 8-bit HSV, where a whole one has 255 steps and the sum wraps at 256.
struct Hue {
    /// 0..256
    steps: f32,
}

impl Hue {
    /// By a share of a whole turn.
    fn turn(turn: f32) -> Self {
        let steps = (turn * 255.0).trunc();
        Self { steps: if steps < 0.0 { steps + 256.0 } else { steps } }
    }
}

impl Change for Hue {
    #[inline(always)]
    fn of(&self, pixel: [f32; 3]) -> [f32; 3] {
        let [hue, saturation, value] = to_hsv(pixel);
        let hue = hue + self.steps;
        let hue = if hue >= 256.0 { hue - 256.0 } else { hue };
        from_hsv([hue, saturation, value])
    }
}

/// Hue, saturation and value of a pixel, each a whole level 0..=255.
#[inline(always)]
fn to_hsv([red, green, blue]: [f32; 3]) -> [f32; 3] {
    let max = |a: f32, b: f32| if a > b { a } else { b };
    let min = |a: f32, b: f32| if a < b { a } else { b };
    let value = max(red, max(green, blue));
    let range = value - min(red, min(green, blue));
    // Two sectors of six on either side of the strongest channel. One of them is chosen before the division.
    let (start, difference) = if green == value { (2.0, blue - red) } else { (4.0, red - green) };
    let (start, difference) = if red == value { (0.0, green - blue) } else { (start, difference) };
    // For a grey pixel the difference is 0, and so are hue and saturation.
    let sector = start + difference / max(range, 1.0);
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
    // The distance of each channel below the value: 1 in the two sectors where it is lowest, 0 where it is highest.
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
