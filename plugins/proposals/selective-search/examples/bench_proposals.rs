//! Our side of `cargo xtask bench proposals`.
//!
//! - `bench_proposals cases` lists the cases, one JSON line each: `{"case", "peer"}`.
//! - `bench_proposals prepare DIRECTORY` draws images into a directory.
//! - `bench_proposals run CASE DIRECTORY` measures one case over the directory's images, and prints one JSON line:
//!   `{"case", "seconds", "peak_bytes", "version"}`, seconds per image, and the most memory that it took beyond what
//!   was there before it.

mod drawn;

use anyhow::{Context, Result, anyhow, bail, ensure};
use drawn::drawn;
use image::RgbImage;
use rand::Rng;
use rayon::prelude::*;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use univip_core::dataset::Dataset;
use univip_core::error::ImageError;
use univip_core::image_file;
use univip_core::proposals::{ProposalStore, StoreKey};
use univip_core::seed::stream;
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
    for mode in ["fast", "quality"] {
        let mut count = 2;
        while count <= cores {
            case(format!("{mode} on {count} cores"), false);
            count *= 2;
        }
    }
    GROWTH.iter().for_each(|(width, height)| case(format!("fast at {width}x{height}"), false));
    case("reading one stored image".into(), false);
}

fn prepare(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    for index in 0..6 {
        drawn(640, 480, index).save(directory.join(format!("drawn-{index}.png")))?;
    }
    Ok(())
}

fn run(case: &str, directory: &Path) -> Result<()> {
    let words: Vec<&str> = case.split(' ').collect();
    let work = match words[..] {
        ["fast"] => Work::search(Parameters::fast(), 1, read(directory)?),
        ["quality"] => Work::search(Parameters::quality(), 1, read(directory)?),
        ["fast", "on", cores, "cores"] => Work::search(Parameters::fast(), cores.parse()?, read(directory)?),
        ["quality", "on", cores, "cores"] => {
            Work::search(Parameters::quality(), cores.parse()?, read(directory)?)
        }
        ["fast", "at", size] => {
            let (width, height) = size.split_once('x').context("a size is WIDTHxHEIGHT")?;
            Work::search(Parameters::fast(), 1, vec![drawn(width.parse()?, height.parse()?, 0)])
        }
        ["reading", "one", "stored", "image"] => Work::reading(),
        _ => bail!("unknown case `{case}`"),
    }?;
    reset_peak();
    let before = memory("VmRSS:");
    let start = Instant::now();
    let images = work.run()?;
    let seconds = start.elapsed().as_secs_f64() / images as f64;
    let peak = memory("VmHWM:").saturating_sub(before);
    let version = concat!("univip-selective-search ", env!("CARGO_PKG_VERSION"));
    let line =
        serde_json::json!({ "case": case, "seconds": seconds, "peak_bytes": peak, "version": version });
    println!("{line}");
    Ok(())
}

/// The work of a case, made ready before the clock starts.
enum Work {
    Search { parameters: Parameters, pool: rayon::ThreadPool, images: Vec<RgbImage> },
    Reading { store: ProposalStore, order: Vec<usize>, _directory: tempfile::TempDir },
}

impl Work {
    /// Each core has as much to do, whatever the number of images.
    fn search(parameters: Parameters, cores: usize, images: Vec<RgbImage>) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(cores).build()?;
        let all = images.len() * cores;
        Ok(Self::Search { parameters, pool, images: images.into_iter().cycle().take(all).collect() })
    }

    /// The boxes of a drawn image, stored many times and read in a random order.
    fn reading() -> Result<Self> {
        const SHARDS: usize = 4;
        let boxes = selective_search(&drawn(640, 480, 0), &Parameters::fast());
        let directory = tempfile::tempdir()?;
        let key = StoreKey {
            source: "drawn".into(),
            version: String::new(),
            parameters: serde_json::Value::Null,
            dataset: String::new(),
            images: SHARDS * ProposalStore::SHARD,
        };
        let store = ProposalStore::open(directory.path(), &key, Arc::new(Numbers(key.images)))?;
        for shard in 0..SHARDS {
            let images: Vec<_> = store.range(shard).map(|image| (image.to_string(), boxes.clone())).collect();
            store.keep(shard, &images)?;
        }
        let mut random = stream(0, "bench", &[]);
        let order = (0..1000).map(|_| random.random_range(0..store.len())).collect();
        Ok(Self::Reading { store, order, _directory: directory })
    }

    /// Does it; the number of images.
    fn run(&self) -> Result<usize> {
        match self {
            Self::Search { parameters, pool, images } => {
                let search = |image| drop(black_box(selective_search(image, parameters)));
                pool.install(|| match pool.current_num_threads() {
                    1 => images.iter().for_each(search),
                    _ => images.par_iter().with_max_len(1).for_each(search),
                });
                Ok(images.len())
            }
            Self::Reading { store, order, .. } => {
                for &image in order {
                    black_box(store.boxes(image)?);
                }
                Ok(order.len())
            }
        }
    }
}

fn read(directory: &Path) -> Result<Vec<RgbImage>> {
    let listing = || format!("listing {}", directory.display());
    let entries = fs::read_dir(directory).with_context(listing)?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>().with_context(listing)?;
    paths.sort();
    ensure!(!paths.is_empty(), "no image in {}", directory.display());
    let open = |path: &PathBuf| image_file::read(path).with_context(|| path.display().to_string());
    paths.iter().map(open).collect()
}

/// So many images that nobody looks at.
struct Numbers(usize);

impl Dataset for Numbers {
    fn len(&self) -> usize {
        self.0
    }

    fn id(&self, index: usize) -> String {
        index.to_string()
    }

    fn image(&self, _index: usize) -> Result<RgbImage, ImageError> {
        Err(anyhow!("boxes are read without their images").into())
    }

    fn digest(&self) -> String {
        String::new()
    }
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
