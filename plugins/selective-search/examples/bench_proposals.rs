//! Our side of `cargo xtask bench proposals`.
//!
//! - `bench_proposals cases` lists the cases, one JSON line each: `{"case", "peer"}`.
//! - `bench_proposals prepare DIRECTORY` draws images into a directory.
//! - `bench_proposals run CASE DIRECTORY` measures one case over the directory's images, and prints one JSON line:
//!   `{"case", "seconds", "peak_bytes", "version"}`, seconds an image, and the most memory that it took beyond what
//!   was there before it.

mod drawn;

use anyhow::{Context, Result, bail, ensure};
use drawn::drawn;
use image::RgbImage;
use rayon::prelude::*;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;
use univip_selective_search::{Parameters, selective_search};

/// Sides of drawn images, four times as many pixels from one to the next but the last.
const GROWTH: [(u32, u32); 5] = [(160, 120), (320, 240), (640, 480), (1280, 960), (2560, 1920)];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["cases"] => cases(),
        ["prepare", directory] => prepare(Path::new(directory))?,
        ["run", case, directory] => run(case, Path::new(directory))?,
        _ => bail!("usage: bench_proposals cases | prepare DIRECTORY | run CASE DIRECTORY"),
    }
    Ok(())
}

fn cases() {
    let case = |name: String, peer: bool| println!("{}", serde_json::json!({ "case": name, "peer": peer }));
    case("fast".into(), true);
    case("quality".into(), true);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut count = 2;
    while count <= cores {
        case(format!("fast on {count} cores"), false);
        count *= 2;
    }
    GROWTH.iter().for_each(|(width, height)| case(format!("fast at {width}x{height}"), false));
}

fn prepare(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    for index in 0..3 {
        drawn(640, 480, index).save(directory.join(format!("drawn-{index}.png")))?;
    }
    Ok(())
}

fn run(case: &str, directory: &Path) -> Result<()> {
    let words: Vec<&str> = case.split(' ').collect();
    let (parameters, cores, images) = match words[..] {
        ["fast"] => (Parameters::fast(), 1, read(directory)?),
        ["quality"] => (Parameters::quality(), 1, read(directory)?),
        ["fast", "on", cores, "cores"] => (Parameters::fast(), cores.parse()?, read(directory)?),
        ["fast", "at", size] => {
            let (width, height) = size.split_once('x').context("a size is WIDTHxHEIGHT")?;
            (Parameters::fast(), 1, vec![drawn(width.parse()?, height.parse()?, 0)])
        }
        _ => bail!("unknown case `{case}`"),
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(cores).build()?;
    // Each core has as much to do, whatever the number of images.
    let work: Vec<&RgbImage> = images.iter().cycle().take(images.len() * cores).collect();
    reset_peak();
    let before = memory("VmRSS:");
    let start = Instant::now();
    pool.install(|| {
        if cores == 1 {
            work.iter().for_each(|image| drop(black_box(selective_search(image, &parameters))));
        } else {
            work.par_iter()
                .with_max_len(1)
                .for_each(|image| drop(black_box(selective_search(image, &parameters))));
        }
    });
    let seconds = start.elapsed().as_secs_f64() / work.len() as f64;
    let peak = memory("VmHWM:").saturating_sub(before);
    let version = concat!("univip-selective-search ", env!("CARGO_PKG_VERSION"));
    let line =
        serde_json::json!({ "case": case, "seconds": seconds, "peak_bytes": peak, "version": version });
    println!("{line}");
    Ok(())
}

fn read(directory: &Path) -> Result<Vec<RgbImage>> {
    let listing = || format!("listing {}", directory.display());
    let entries = fs::read_dir(directory).with_context(listing)?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>().with_context(listing)?;
    paths.sort();
    ensure!(!paths.is_empty(), "no image in {}", directory.display());
    let open = |path: &PathBuf| Ok(image::open(path).with_context(|| path.display().to_string())?.to_rgb8());
    paths.iter().map(open).collect()
}

/// Lets the peak begin anew; only Linux can, and elsewhere no memory is reported.
fn reset_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn memory(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().map_or(0, |kib| kib * 1024)
}
