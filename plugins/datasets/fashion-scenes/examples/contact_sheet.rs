//! Draws scenes, with the boxes of the lower half of them, and icons:
//! `cargo run -p univip-fashion-scenes --example contact_sheet -- sheet.png`

use anyhow::{Context, Result};
use image::{Rgb, RgbImage, imageops};
use univip_core::dataset::{Dataset, Split};
use univip_core::registry::DatasetPlugin;
use univip_fashion_scenes::{FashionIcons, FashionScenes, IconsConfig, ScenesConfig};

fn main() -> Result<()> {
    let path = std::env::args().nth(1).context("usage: contact_sheet FILE.png")?;
    let scenes = FashionScenes::build(ScenesConfig::default(), Split::Train)?;
    let icons = FashionIcons::build(IconsConfig::default(), Split::Train)?;
    let mut sheet = RgbImage::new(8 * 128, 6 * 128 + 2 * 64);
    for index in 0..48 {
        let mut scene = scenes.image(index)?;
        if index >= 24 {
            for annotation in scenes.annotations(index)? {
                let bounds = annotation.bounding_box;
                for (x, y) in
                    (bounds.x..bounds.right()).flat_map(|x| [(x, bounds.y), (x, bounds.bottom() - 1)])
                {
                    scene.put_pixel(x, y, Rgb([255, 200, 0]));
                }
                for (x, y) in
                    (bounds.y..bounds.bottom()).flat_map(|y| [(bounds.x, y), (bounds.right() - 1, y)])
                {
                    scene.put_pixel(x, y, Rgb([255, 200, 0]));
                }
            }
        }
        imageops::replace(&mut sheet, &scene, (index % 8 * 128) as i64, (index / 8 * 128) as i64);
    }
    for index in 0..32 {
        let (x, y) = (index % 16 * 64, 6 * 128 + index / 16 * 64);
        imageops::replace(&mut sheet, &icons.image(index)?, x as i64, y as i64);
    }
    sheet.save(path)?;
    Ok(())
}
