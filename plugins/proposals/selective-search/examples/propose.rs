//! Proposes boxes for images, to look at and to time: `propose fast|quality [--seed N] IMAGE...`.
//!
//! Prints a line `image milliseconds boxes` for each image, then the boxes, one `x y width height` a line.
//! `RAYON_NUM_THREADS=1` times one core; a seed ranks boxes as OpenCV does.

use anyhow::{Context, bail};
use std::path::Path;
use std::time::Instant;
use univip_core::image_file::read;
use univip_selective_search::{Parameters, selective_search};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, rest @ ..] = arguments.as_slice() else {
        bail!("usage: propose fast|quality [--seed N] IMAGE...")
    };
    let mut parameters = match mode.as_str() {
        "fast" => Parameters::fast(),
        "quality" => Parameters::quality(),
        other => bail!("unknown mode `{other}`: expected fast or quality"),
    };
    let images = match rest {
        [flag, seed, images @ ..] if flag == "--seed" => {
            parameters.seed =
                Some(seed.parse().with_context(|| format!("--seed {seed}: expected a number"))?);
            images
        }
        images => images,
    };
    for path in images {
        let image = read(Path::new(path)).with_context(|| format!("reading {path}"))?;
        let start = Instant::now();
        let boxes = selective_search(&image, &parameters);
        println!("{path} {:.1} {}", start.elapsed().as_secs_f64() * 1000.0, boxes.len());
        for one in boxes {
            println!("{} {} {} {}", one.x, one.y, one.width, one.height);
        }
    }
    Ok(())
}
