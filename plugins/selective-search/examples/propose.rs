//! Boxes of images, for a look and for timing: `propose fast|quality OUT_DIR IMAGE...` on one thread.
use std::io::Write;
use std::time::Instant;
use univip_selective_search::*;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let parameters = if arguments[0] == "quality" { Parameters::quality() } else { Parameters::fast() };
    for path in &arguments[2..] {
        let image = image::open(path)?.to_rgb8();
        let mut best = f64::INFINITY;
        let mut boxes = Vec::new();
        for _ in 0..3 {
            let start = Instant::now();
            boxes = selective_search(&image, &parameters);
            best = best.min(start.elapsed().as_secs_f64());
        }
        let name = std::path::Path::new(path).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut file = std::fs::File::create(format!("{}/{name}.txt", arguments[1]))?;
        writeln!(file, "# {best}")?;
        for b in &boxes {
            writeln!(file, "{} {} {} {}", b.x, b.y, b.width, b.height)?;
        }
        for (s, &space) in parameters.spaces.iter().enumerate() {
            let planes = Planes::of(&image, space);
            let graph = PixelGraph::new(&planes, parameters.sigma);
            for (k, &scale) in parameters.scales.iter().enumerate() {
                let seg = graph.segment(scale, parameters.min_size);
                let bytes: Vec<u8> = seg.labels.iter().flat_map(|l| l.to_le_bytes()).collect();
                std::fs::write(format!("{}/{name}.{s}.{k}.seg", arguments[1]), bytes)?;
            }
        }
    }
    Ok(())
}
