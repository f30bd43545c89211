//! The embedded subset of Fashion-MNIST: `data/make.py` made it, `data/LICENSE` is its licence.

use anyhow::{Context, Result, ensure};
use image::ImageFormat;
use std::sync::OnceLock;
use univip_core::dataset::Split;

/// Pixels along a side of an item.
pub const SIDE: usize = 28;

/// Class names, in the order of Fashion-MNIST's labels.
pub const CLASSES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// SHA-256 of each sheet's pixels, train then val, as `data/make.py` prints it.
pub const PIXELS_SHA256: [&str; 2] = [
    "d531097dbb3cf80254df76669b00c1fb7bac1553076774b4f1d2bf4455c85099",
    "142b02526e9ce037aef4ce6cb2d78629b2dade896e65c5b1fe4f041c3c10ab2e",
];

const SHEETS: [&[u8]; 2] = [include_bytes!("../data/train.png"), include_bytes!("../data/val.png")];

/// Items beside each other in a row of a sheet.
const ROW: usize = 100;

/// The items of one split, class after class.
pub struct Items {
    pixels: Vec<u8>,
    per_class: usize,
}

impl Items {
    /// The items of a split, unpacked once per process.
    ///
    /// # Errors
    /// When the embedded sheet does not decode: the build is broken.
    pub fn of(split: Split) -> Result<&'static Self> {
        static UNPACKED: [OnceLock<Items>; 2] = [OnceLock::new(), OnceLock::new()];
        let cell = &UNPACKED[split as usize];
        match cell.get() {
            Some(items) => Ok(items),
            None => {
                let items = unpack(SHEETS[split as usize])
                    .with_context(|| format!("the embedded Fashion-MNIST sheet of {}", split.name()))?;
                Ok(cell.get_or_init(|| items))
            }
        }
    }

    /// The grey values of an item, row by row; black around it.
    pub fn pixels(&self, class: usize, number: usize) -> [u8; SIDE * SIDE] {
        let item = class * self.per_class + number;
        let corner = (item / ROW * SIDE) * ROW * SIDE + item % ROW * SIDE;
        let mut pixels = [0; SIDE * SIDE];
        for (y, row) in pixels.chunks_exact_mut(SIDE).enumerate() {
            let start = corner + y * ROW * SIDE;
            row.copy_from_slice(&self.pixels[start..start + SIDE]);
        }
        pixels
    }
}

fn unpack(sheet: &[u8]) -> Result<Items> {
    let sheet = image::load_from_memory_with_format(sheet, ImageFormat::Png)?.into_luma8();
    let (width, height) = (sheet.width() as usize, sheet.height() as usize);
    let per_class = ROW * (height / SIDE) / CLASSES.len();
    ensure!(
        width == ROW * SIDE && per_class * CLASSES.len() * SIDE == ROW * height,
        "{width} x {height} pixels are not rows of {ROW} items"
    );
    Ok(Items { pixels: sheet.into_raw(), per_class })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};
    use std::collections::HashSet;
    use univip_core::digest::hexadecimal;

    #[test]
    fn the_sheets_hold_the_pixels_that_were_put_in() {
        for (split, per_class) in [(Split::Train, 1200), (Split::Val, 200)] {
            let items = Items::of(split).unwrap();
            assert_eq!(items.per_class, per_class);
            assert_eq!(hexadecimal(&Sha256::digest(&items.pixels)), PIXELS_SHA256[split as usize]);
        }
    }

    #[test]
    fn no_item_of_val_is_in_train() {
        let all = |split| {
            let items = Items::of(split).unwrap();
            (0..CLASSES.len() * items.per_class)
                .map(|item| items.pixels(item / items.per_class, item % items.per_class))
                .collect::<HashSet<_>>()
        };
        assert!(all(Split::Train).is_disjoint(&all(Split::Val)));
    }
}
