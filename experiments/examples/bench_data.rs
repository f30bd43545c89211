//! Our side of `cargo xtask bench data`: what training waits for, on one core.
//!
//! - `bench_data cases` lists the cases, one JSON line each: `{"case", "peer"}`.
//! - `bench_data prepare DIRECTORY` draws JPEG files into a directory.
//! - `bench_data run CASE DIRECTORY` measures one case, and prints one JSON line: `{"case", "seconds", "peak_bytes",
//!   "version"}`, seconds per image, and the most memory that it took beyond what was there before it.

#[path = "../../plugins/proposals/selective-search/examples/drawn/mod.rs"]
mod drawn;

use anyhow::{Context, Result, bail, ensure};
use drawn::drawn;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use univip_core::assemble::Assembly;
use univip_core::dataset::{Dataset, Split};
use univip_core::error::ImageError;
use univip_core::geometry::BoundingBox;
use univip_core::image_file;
use univip_core::proposals::BuildOptions;
use univip_core::recipe::{BrokenImage, Recipe};
use univip_core::registry::Registry;
use univip_core::seed::Stream;
use univip_core::views::augment::Renderer;
use univip_core::views::{
    BatchMaker, CropLimits, EpochOrder, Group, INSTANCE, INSTANCE_TARGET, SCENE, Subject, ViewContext,
    ViewPlan, ViewSampler,
};
use univip_experiments::{Library, prepare_process};
use univip_plugins as _;

/// The cases, and for each whether the peer is measured too.
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
            let maker = photo_batches(&recipe("paper")?, Photos::open(directory)?);
            measure(case, maker.batch, |round| maker.make(round))
        }
        "decoding alone" => {
            let photos = Photos::open(directory)?;
            measure(case, 1, |round| Ok(photos.image(round as usize % photos.len())?))
        }
        "batch of composed scenes" => {
            let (maker, _store) = scene_batches(&recipe("small")?)?;
            measure(case, maker.batch, |round| maker.make(round))
        }
        "composing alone" => {
            let (maker, _store) = scene_batches(&recipe("small")?)?;
            measure(case, 1, |round| Ok(maker.dataset.image(round as usize)?))
        }
        "boxes alone" => {
            let (maker, _store) = scene_batches(&recipe("small")?)?;
            let (dataset, images) = (&*maker.dataset, maker.order.images());
            let proposals = maker.proposals.as_ref().context("the recipe has instances")?;
            measure(case, 1, |round| proposals.boxes(dataset, round as usize % images))
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
fn photo_batches(recipe: &Recipe, photos: Photos) -> BatchMaker {
    let (settings, images) = (&recipe.settings, photos.len());
    BatchMaker {
        dataset: Arc::new(photos),
        order: EpochOrder::new(images, 0),
        proposals: None,
        sampler: Box::new(Crops(recipe.view_context())),
        sampler_name: "the peer's".into(),
        renderer: Renderer::new(&settings.augment),
        rendered: [SCENE, INSTANCE].map(String::from).into(),
        broken: BrokenImage::Fail,
        batch: 1,
        batches_per_epoch: images as u64,
    }
}

/// Batches of composed scenes as the recipe has them, with stored boxes in a directory that is there as long as it is
/// held.
fn scene_batches(recipe: &Recipe) -> Result<(BatchMaker, tempfile::TempDir)> {
    let (settings, registry) = (&recipe.settings, Registry::linked()?);
    let parts = Assembly::new(recipe, &registry);
    let dataset: Arc<dyn Dataset> =
        Arc::from(parts.dataset("data.use", &settings.data.name, Split::Train)?);
    let (store, batch) = (tempfile::tempdir()?, settings.train.batch);
    let proposals = parts.proposals(dataset.clone(), store.path())?;
    let options = BuildOptions { threads: 0, broken: BrokenImage::Fail };
    let images = 2 * batch;
    proposals.build(&*dataset, images, options, &mut |_, _| Ok(()))?;
    let maker = BatchMaker {
        dataset,
        order: EpochOrder::new(images, 0),
        proposals: Some(Arc::new(proposals)),
        sampler: parts.view_sampler()?,
        sampler_name: settings.views.name.clone(),
        renderer: Renderer::new(&settings.augment),
        rendered: [SCENE, INSTANCE, INSTANCE_TARGET].map(String::from).into(),
        broken: BrokenImage::Fail,
        batch,
        batches_per_epoch: 2,
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

    fn image(&self, index: usize) -> Result<image::RgbImage, ImageError> {
        image_file::read(&self.0[index])
    }

    fn digest(&self) -> String {
        "photos".into()
    }
}

/// Two random crops and the quarters of the image's middle, as the peer has them.
struct Crops(ViewContext);

impl ViewSampler for Crops {
    fn groups(&self) -> Vec<Group> {
        self.0.scenes_and_instances()
    }

    fn sample(&self, subject: &Subject<'_>, stream: &mut Stream) -> Result<ViewPlan> {
        let mut scene = || CropLimits::default().sample(subject.size, stream);
        let scenes = [scene(), scene()];
        let (width, height) = (subject.size.width / 4, subject.size.height / 4);
        let quarter = |(row, column)| BoundingBox::new(width * column, height * row, width, height);
        let instances = [(1, 1), (1, 2), (2, 1), (2, 2)].map(quarter).to_vec();
        Ok(ViewPlan::of_scenes_and_instances(scenes, instances, 4))
    }
}
