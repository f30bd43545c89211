//! Proposes boxes for images, to look at and to time: `propose fast|quality IMAGE...`.
//!
//! Prints a line `image milliseconds boxes` for each image, then the boxes, one `x y width height` a line.
//! `RAYON_NUM_THREADS=1` times one core.

use std::time::Instant;
use univip_selective_search::{Parameters, selective_search};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, images @ ..] = arguments.as_slice() else {
        anyhow::bail!("usage: propose fast|quality IMAGE...")
    };
    let parameters = match mode.as_str() {
        "fast" => Parameters::fast(),
        "quality" => Parameters::quality(),
        other => anyhow::bail!("unknown mode `{other}`: expected fast or quality"),
    };
    for path in images {
        let image = image::open(path)?.to_rgb8();
        let start = Instant::now();
        let boxes = selective_search(&image, &parameters);
        println!("{path} {:.1} {}", start.elapsed().as_secs_f64() * 1000.0, boxes.len());
        for one in boxes {
            println!("{} {} {} {}", one.x, one.y, one.width, one.height);
        }
    }
    Ok(())
}
