//! Labelled images, so that a run has files to look at.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// Images of a class, in each of train and val.
const IMAGES: u8 = 8;

const SIDE: usize = 32;

/// Draws images of two classes into `root/{train,val}/{a,b}`, each another one.
///
/// # Errors
/// When they cannot be written.
pub fn draw(root: &Path) -> Result<()> {
    for (place, directory) in ["train/a", "train/b", "val/a", "val/b"].iter().enumerate() {
        let directory = root.join(directory);
        fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
        for number in 0..IMAGES {
            let path = directory.join(format!("{number}.ppm"));
            let shade = 60 * place as u8 + 7 * number;
            fs::write(&path, picture(shade)).with_context(|| format!("writing {}", path.display()))?;
        }
    }
    Ok(())
}

/// A ramp in the format PPM.
fn picture(shade: u8) -> Vec<u8> {
    let mut bytes = format!("P6 {SIDE} {SIDE} 255\n").into_bytes();
    let pixels = (0..SIDE * SIDE).flat_map(|at| [(at % SIDE * 8) as u8, (at / SIDE * 8) as u8, shade]);
    bytes.extend(pixels);
    bytes
}
