//! Images that benches draw.

use image::{Rgb, RgbImage};

/// Tilted boxes and discs of all sizes in front of a slope of light, with the grain of a sensor.
pub fn drawn(width: u32, height: u32, seed: u32) -> RgbImage {
    let hash = |value: u32| {
        let mixed = (value ^ seed.wrapping_mul(0x9e37_79b1)).wrapping_add(1).wrapping_mul(0x85eb_ca6b);
        let mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xc2b2_ae35);
        mixed ^ (mixed >> 16)
    };
    let unit = |value: u32| hash(value) as f32 / u32::MAX as f32;
    let things: Vec<[f32; 8]> =
        (0..40).map(|thing| std::array::from_fn(|which| unit(thing * 8 + which as u32))).collect();
    RgbImage::from_fn(width, height, |column, row| {
        let (x, y) = (column as f32 / width as f32, row as f32 / height as f32);
        let mut colour = [60.0 + 90.0 * x, 80.0 + 60.0 * y, 120.0 - 50.0 * x];
        for [left, top, size, tilt, kind, red, green, blue] in &things {
            let (right, down) = (x - left, y - top);
            let (sin, cos) = (tilt * 3.0).sin_cos();
            let (along, across) = (cos * right + sin * down, cos * down - sin * right);
            let reach = 0.02 + 0.15 * size * size;
            let inside = if *kind < 0.5 {
                along.abs() < reach && across.abs() < 0.6 * reach
            } else {
                along * along + 2.0 * across * across < reach * reach
            };
            if inside {
                colour = [red, green, blue].map(|level| 20.0 + 215.0 * level);
            }
        }
        let grain = 16.0 * unit(1_000_003 + row.wrapping_mul(65_537).wrapping_add(column)) - 8.0;
        Rgb(colour.map(|level| (level + grain) as u8))
    })
}
