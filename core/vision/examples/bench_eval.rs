//! Our side of `cargo xtask bench eval`.
//!
//! - `bench_eval cases` lists the cases, one JSON line each: `{"case", "peer"}`.
//! - `bench_eval prepare DIRECTORY` writes random annotations and detections as COCO files: as many boxes as val2017
//!   has with 100 detections per image, and a tenth as many masks.
//! - `bench_eval run CASE DIRECTORY` measures one case and prints one JSON line: `{"case", "seconds", "peak_bytes",
//!   "version", "ap"}`, from what is in memory (or, for `files`, on disk) to the twelve numbers.

use anyhow::{Context, Result, bail};
use rand::Rng;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Instant;
use univip_stdx::seed::{Stream, stream};
use univip_vision::geometry::Size;
use univip_vision::metrics::IouType;
use univip_vision::metrics::coco::{Parameters, evaluate};
use univip_vision::metrics::instances::Instances;
use univip_vision::metrics::rle::Rle;

const PEERS: [&str; 2] = ["pycocotools", "faster-coco-eval"];
const CLASSES: u32 = 80;
const IMAGE: Size = Size { width: 640, height: 480 };
/// Detections of an image.
const FOUND: usize = 100;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["cases"] => cases(),
        ["prepare", directory] => prepare(Path::new(directory))?,
        ["run", case, directory] => run(case, Path::new(directory))?,
        _ => bail!("usage: bench_eval cases | prepare DIRECTORY | run CASE DIRECTORY"),
    }
    Ok(())
}

fn cases() {
    let case = |name: String, peer: bool| println!("{}", json!({ "case": name, "peer": peer }));
    for what in ["boxes", "masks", "files"] {
        PEERS.iter().for_each(|peer| case(format!("{what} beside {peer}"), true));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if cores > 1 {
            case(format!("{what} on {cores} cores"), false);
        }
    }
}

fn run(case: &str, directory: &Path) -> Result<()> {
    let words: Vec<&str> = case.split(' ').collect();
    let (what, cores) = match words[..] {
        [what, "beside", peer] if PEERS.contains(&peer) => (what, 1),
        [what, "on", cores, "cores"] => (what, cores.parse()?),
        _ => bail!("unknown case `{case}`"),
    };
    let (name, kind) = match what {
        "boxes" | "files" => ("boxes", IouType::BoundingBox),
        "masks" => ("masks", IouType::Segmentation),
        _ => bail!("unknown case `{case}`"),
    };
    let (instances, results) =
        (directory.join(format!("{name}-instances.json")), directory.join(format!("{name}-results.json")));
    let read = || -> Result<_> {
        let truth = Instances::read(&instances, kind)?;
        let found = truth.results(&results, kind)?;
        Ok((truth, found))
    };
    let in_memory = if what == "files" { None } else { Some(read()?) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(cores).build()?;
    reset_peak();
    let before = memory("VmRSS:");
    let start = Instant::now();
    let evaluation = pool.install(|| -> Result<_> {
        let (truth, found) = match in_memory {
            Some(both) => both,
            None => read()?,
        };
        let classes = truth.classes.len();
        evaluate(&truth.truth, &found.detections, kind, classes, &Parameters::default())
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let peak = memory("VmHWM:").saturating_sub(before);
    let version = concat!("univip-vision ", env!("CARGO_PKG_VERSION"));
    let ap = evaluation.summary.ap;
    println!(
        "{}",
        json!({ "case": case, "seconds": seconds, "peak_bytes": peak, "version": version, "ap": ap })
    );
    Ok(())
}

fn prepare(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    for (name, images, masks) in [("boxes", 5000, false), ("masks", 500, true)] {
        let (instances, results) = drawn(images, masks)?;
        fs::write(directory.join(format!("{name}-instances.json")), instances.to_string())?;
        fs::write(directory.join(format!("{name}-results.json")), results.to_string())?;
    }
    Ok(())
}

/// Images with 1 to 13 objects; each is found three times, and the other detections lie anywhere.
fn drawn(images: u64, masks: bool) -> Result<(Value, Value)> {
    let (mut annotations, mut results) = (Vec::new(), Vec::new());
    for image in 1..=images {
        let mut random = stream(0, "bench eval", &[image]);
        let mut found = Vec::new();
        for _ in 0..random.random_range(1..=13) {
            let (class, bounds) = (drawn_class(&mut random), drawn_box(&mut random));
            for _ in 0..3 {
                found.push((class, beside(bounds, &mut random), random.random_range(0.05..1.0)));
            }
            let [x, y, w, h] = bounds;
            let mut object = json!({
                "id": annotations.len() + 1, "image_id": image, "category_id": class, "bbox": [x, y, w, h],
                "area": (0.7 * w * h).round(), "iscrowd": u8::from(random.random_range(0..80) == 0),
            });
            if masks {
                object["segmentation"] = json!([outline(bounds, &mut random)]);
            }
            annotations.push(object);
        }
        while found.len() < FOUND {
            found.push((drawn_class(&mut random), drawn_box(&mut random), random.random_range(0.0..0.4)));
        }
        for (class, bounds, score) in found {
            let mut one = json!({ "image_id": image, "category_id": class, "score": score });
            if masks {
                let mask = Rle::from_polygons(IMAGE, [outline(bounds, &mut random).as_slice()])?;
                one["segmentation"] =
                    json!({ "size": [IMAGE.height, IMAGE.width], "counts": mask.compressed() });
            } else {
                one["bbox"] = json!(bounds);
            }
            results.push(one);
        }
    }
    let images: Vec<Value> = (1..=images)
        .map(|id| json!({ "id": id, "file_name": "", "width": IMAGE.width, "height": IMAGE.height }))
        .collect();
    let categories: Vec<Value> =
        (1..=CLASSES).map(|id| json!({ "id": id, "name": id.to_string() })).collect();
    let instances = json!({ "images": images, "annotations": annotations, "categories": categories });
    Ok((instances, results.into()))
}

/// Low numbers are common, as few classes of COCO are.
fn drawn_class(random: &mut Stream) -> u32 {
    let share: f64 = random.random();
    1 + (f64::from(CLASSES) * share * share * share) as u32
}

fn rounded(value: f64) -> f64 {
    (100.0 * value).round() / 100.0
}

fn drawn_box(random: &mut Stream) -> [f64; 4] {
    let mut side = |image: u32| {
        let share: f64 = random.random();
        let extent = 6.0 + f64::from(image - 6) * share * share;
        (rounded(random.random_range(0.0..=f64::from(image) - extent)), rounded(extent))
    };
    let ((x, w), (y, h)) = (side(IMAGE.width), side(IMAGE.height));
    [x, y, w, h]
}

fn beside([x, y, w, h]: [f64; 4], random: &mut Stream) -> [f64; 4] {
    let mut moved = |extent: f64| extent * random.random_range(-0.15..0.15);
    let (x, y) = ((x + moved(w)).max(0.0), (y + moved(h)).max(0.0));
    [x, y, w + moved(w), h + moved(h)].map(rounded)
}

/// A polygon of 24 points in a box.
fn outline([x, y, w, h]: [f64; 4], random: &mut Stream) -> Vec<f64> {
    let point = |place: u32| {
        let angle = f64::from(place) / 24.0 * std::f64::consts::TAU;
        let radius: f64 = random.random_range(0.7..1.0);
        [x + 0.5 * w * (1.0 + radius * angle.cos()), y + 0.5 * h * (1.0 + radius * angle.sin())].map(rounded)
    };
    (0..24).flat_map(point).collect()
}

/// Resets the peak of memory. Only Linux can; elsewhere no memory is reported.
fn reset_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn memory(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().map_or(0, |kib| kib * 1024)
}
