//! Our side of `cargo xtask bench data`: what training waits for, on one core.
//!
//! - `bench_data cases` lists the cases, one JSON line each: `{"case", "peer"}`.
//! - `bench_data prepare DIRECTORY` draws JPEG files into a directory.
//! - `bench_data run CASE DIRECTORY` measures one case, and prints one JSON line: `{"case", "seconds", "peak_bytes",
//!   "version"}`, seconds an image, and the most memory that it took beyond what was there before it.

#[path = "../../plugins/selective-search/examples/drawn/mod.rs"]
mod drawn;

use anyhow::{Context, Result, bail, ensure};
use drawn::drawn;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use univip_core::augment::Renderer;
use univip_core::dataset::{Dataset, Split};
use univip_core::features::Needs;
use univip_core::geometry::{BoundingBox, Size};
use univip_core::image_file;
use univip_core::loader::BatchMaker;
use univip_core::proposals::{BuildOptions, ProposalSource, Proposals, StoreKey};
use univip_core::recipe::{BrokenImage, Recipe};
use univip_core::registry::{Kind, Registry};
use univip_core::seed::Stream;
use univip_core::views::{CropLimits, ViewContext, ViewPlan, ViewSampler};
use univip_experiments::{Library, prepare_process};
use univip_plugins as _;

/// What is measured, and whether the peer is too.
const CASES: [(&str, bool); 6] = [
    ("views with torchvision's blur", true),
    ("views with Pillow's blur", true),
    ("decoding alone", true),
    ("batch of composed scenes", false),
    ("composing alone", false),
    ("boxes alone", false),
];

/// Images that a case is measured on, at least.
const IMAGES: usize = 128;

fn main() -> Result<()> {
    prepare_process();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["cases"] => CASES
            .iter()
            .for_each(|(case, peer)| println!("{}", serde_json::json!({ "case": case, "peer": peer }))),
        ["prepare", directory] => prepare(Path::new(directory))?,
        ["run", case, directory] => run(case, Path::new(directory))?,
        _ => bail!("usage: bench_data cases | prepare DIRECTORY | run CASE DIRECTORY"),
    }
    Ok(())
}

/// Writes 640 x 480 JPEG files with half of the colour's resolution, as cameras do.
fn prepare(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    for index in 0..8 {
        let path = directory.join(format!("drawn-{index}.jpg"));
        let mut encoder = Encoder::new_file(&path, 90).with_context(|| path.display().to_string())?;
        encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
        encoder.encode(drawn(640, 480, index).as_raw(), 640, 480, ColorType::Rgb)?;
    }
    Ok(())
}

fn run(case: &str, directory: &Path) -> Result<()> {
    match case {
        "views with torchvision's blur" | "views with Pillow's blur" => {
            let maker = photo_batches(&recipe("paper")?, Photos::open(directory)?)?;
            measure(case, maker.batch, |round| maker.make(round))
        }
        "decoding alone" => {
            let photos = Photos::open(directory)?;
            measure(case, 1, |round| photos.image(round as usize % photos.len()))
        }
        "batch of composed scenes" => {
            let (maker, _store) = scene_batches(&recipe("small")?)?;
            measure(case, maker.batch, |round| maker.make(round))
        }
        "composing alone" => {
            let (maker, _store) = scene_batches(&recipe("small")?)?;
            measure(case, 1, |round| maker.dataset.image(round as usize))
        }
        "boxes alone" => {
            let (maker, _store) = scene_batches(&recipe("small")?)?;
            measure(case, 1, |round| maker.proposals.boxes(&*maker.dataset, round as usize % maker.images))
        }
        _ => bail!("unknown case `{case}`"),
    }
}

/// The recipe of the whole method.
fn recipe(scale: &str) -> Result<Recipe> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf();
    Library { directory, scale: scale.into(), overlays: Vec::new(), sets: Vec::new() }.load("base")
}

/// Prints what a round costs for each of its `images`, after one that fills caches and buffers.
fn measure<T>(case: &str, images: usize, round: impl Fn(u64) -> Result<T>) -> Result<()> {
    round(0)?;
    // Lets the peak begin anew; only Linux can, and elsewhere no memory is reported.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let before = memory("VmRSS:");
    let rounds = IMAGES.div_ceil(images);
    let start = Instant::now();
    for number in 1..=rounds {
        black_box(round(number as u64)?);
    }
    let seconds = start.elapsed().as_secs_f64() / (rounds * images) as f64;
    let peak = memory("VmHWM:").saturating_sub(before);
    let version = concat!("univip ", env!("CARGO_PKG_VERSION"));
    let line =
        serde_json::json!({ "case": case, "seconds": seconds, "peak_bytes": peak, "version": version });
    println!("{line}");
    Ok(())
}

fn memory(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().map_or(0, |kib| kib * 1024)
}

/// Photo after photo with one augmentation of each of the four instances, as the peer makes them.
fn photo_batches(recipe: &Recipe, photos: Photos) -> Result<BatchMaker> {
    let (settings, images) = (&recipe.settings, photos.len());
    let key = StoreKey {
        source: "none".into(),
        version: String::new(),
        parameters: serde_json::Value::Null,
        dataset: photos.digest(),
        images,
    };
    // Nothing is stored of a source that is computed, so that no directory is needed.
    let (photos, limits): (Arc<dyn Dataset>, _) = (Arc::new(photos), settings.proposals.limits);
    let proposals = Proposals::open(Box::new(NoBoxes), limits, Path::new(""), &key, photos.clone())?;
    Ok(BatchMaker {
        dataset: photos,
        images,
        proposals: Arc::new(proposals),
        sampler: Box::new(Crops),
        renderer: Renderer::new(&settings.augment),
        views: settings.views.clone(),
        needs: Needs { online_instances: true, target_instances: false },
        broken: BrokenImage::Fail,
        batch: 1,
        batches_per_epoch: images as u64,
        seed: 0,
    })
}

/// Batches of composed scenes as the recipe has them, with stored boxes in a directory that is there as long as it is
/// held.
fn scene_batches(recipe: &Recipe) -> Result<(BatchMaker, tempfile::TempDir)> {
    let (settings, registry) = (&recipe.settings, Registry::linked()?);
    let named = |kind, name| registry.get(kind, name, "the recipe", "use");
    let name = &settings.data.name;
    let dataset = named(Kind::Dataset, name)?.dataset(&recipe.table(Kind::Dataset, name), Split::Train)?;
    let dataset: Arc<dyn Dataset> = Arc::from(dataset);
    let name = &settings.proposals.name;
    let (plugin, table) = (named(Kind::Proposals, name)?, recipe.table(Kind::Proposals, name));
    let key = StoreKey {
        source: name.clone(),
        version: plugin.version.into(),
        parameters: (plugin.resolve)(&table)?,
        dataset: dataset.digest(),
        images: dataset.len(),
    };
    let (store, limits, batch) = (tempfile::tempdir()?, settings.proposals.limits, settings.train.batch);
    let proposals = Proposals::open(plugin.proposals(&table)?, limits, store.path(), &key, dataset.clone())?;
    let options = BuildOptions { threads: 0, broken: BrokenImage::Fail };
    let images = 2 * batch;
    proposals.build(&*dataset, images, options, &mut |_, _| Ok(()))?;
    let (name, instances) = (&settings.views.name, settings.views.instances);
    let context = ViewContext { instances, crop: settings.views.crop, limits };
    let sampler = named(Kind::Views, name)?.views(&recipe.table(Kind::Views, name), context)?;
    let maker = BatchMaker {
        dataset,
        images,
        proposals: Arc::new(proposals),
        sampler,
        renderer: Renderer::new(&settings.augment),
        views: settings.views.clone(),
        needs: Needs { online_instances: true, target_instances: true },
        broken: BrokenImage::Fail,
        batch,
        batches_per_epoch: 2,
        seed: 0,
    };
    Ok((maker, store))
}

/// The JPEG files of a directory.
struct Photos(Vec<PathBuf>);

impl Photos {
    fn open(directory: &Path) -> Result<Self> {
        let listing = || format!("listing {}", directory.display());
        let entries = fs::read_dir(directory).with_context(listing)?;
        let mut paths: Vec<PathBuf> =
            entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>().with_context(listing)?;
        paths.sort();
        ensure!(!paths.is_empty(), "no image in {}", directory.display());
        Ok(Self(paths))
    }
}

impl Dataset for Photos {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn id(&self, index: usize) -> String {
        self.0[index].display().to_string()
    }

    fn image(&self, index: usize) -> Result<image::RgbImage> {
        image_file::read(&self.0[index])
    }

    fn digest(&self) -> String {
        "photos".into()
    }
}

struct NoBoxes;

impl ProposalSource for NoBoxes {
    fn propose(&self, _dataset: &dyn Dataset, _index: usize) -> Result<Vec<BoundingBox>> {
        Ok(Vec::new())
    }
}

/// Two random crops and the quarters of the image's middle, as the peer has them.
struct Crops;

impl ViewSampler for Crops {
    fn sample(&self, size: Size, _boxes: &[BoundingBox], stream: &mut Stream) -> Result<ViewPlan> {
        let mut scene = || CropLimits::default().sample(size, stream);
        let scenes = [scene(), scene()];
        let (width, height) = (size.width / 4, size.height / 4);
        let quarter = |(row, column)| BoundingBox::new(width * column, height * row, width, height);
        let instances = [(1, 1), (1, 2), (2, 1), (2, 2)].map(quarter).to_vec();
        Ok(ViewPlan { scenes, overlap: None, instances, from_proposals: 4, tries: 1 })
    }
}
