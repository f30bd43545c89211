//! `univip proposals stats`: how many boxes there are, and how well they find what is annotated.

use super::store::{Opened, StoreChoice};
use crate::boxes::{Panel, picture};
use crate::observers::Task;
use crate::output;
use crate::system::interrupts::STOP;
use anyhow::{Context, Result};
use clap::Args;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use univip_core::counted::counted;
use univip_core::dataset::Dataset;
use univip_core::files::{remove_abandoned_of, write_atomic};
use univip_core::geometry::BoundingBox;
use univip_core::registry::Registry;

/// Images of COCO's train2017, for the size to expect there.
const TRAIN2017: f64 = 118_287.0;

/// `univip proposals stats`
#[derive(Args)]
pub struct Stats {
    /// The file of the picture
    #[arg(long, value_name = "FILE", default_value = "reports/out/proposals.svg")]
    picture: PathBuf,
    #[command(flatten)]
    store: StoreChoice,
}

/// Shown by `univip proposals stats --help`.
pub const EXAMPLES: &str = "Examples:
  univip proposals stats --data coco=photos/coco
  univip proposals stats --data coco=photos/coco --set proposals.limits.min_side=96
  univip proposals stats --data fashion-scenes --scale small --set proposals.use=ground-truth";

impl Stats {
    /// Prints the statistics and draws them.
    ///
    /// # Errors
    /// When the store lacks images or the picture cannot be written.
    pub fn run(&self, registry: &Registry) -> Result<()> {
        stats(&Opened::new(&self.store, registry, &STOP)?, &self.picture)
    }
}

/// Prints a table over the images that are stored, and draws it.
fn stats(opened: &Opened, svg: &Path) -> Result<()> {
    let settings = &opened.recipe.settings;
    let (name, images) = (&settings.proposals.name, opened.dataset.len());
    // The recall is of the annotated boxes.
    opened.dataset.check_sizes(&(0..images).collect::<Vec<_>>())?;
    let mut on_disk = None;
    if let Some(store) = opened.proposals.store() {
        opened.whole(store)?;
        on_disk = Some((store.directory().display().to_string(), size(store.directory())?));
    }
    let counts = Counted::of(opened)?;
    let mut text = format!("{} of {}, boxes of {name}\n", counted(images, "image[|s]"), settings.data.name);
    if let Some((place, bytes)) = &on_disk {
        let boxes = counts.all.iter().sum::<usize>().max(1);
        let each = *bytes as f64 / images as f64;
        writeln!(
            text,
            "{place}: {:.1} MB, {:.2} bytes per box; at this rate {:.2} GB for train2017's {TRAIN2017} images",
            *bytes as f64 / 1e6,
            *bytes as f64 / boxes as f64,
            each * TRAIN2017 / 1e9
        )?;
    }
    let limits = settings.proposals.limits;
    writeln!(
        text,
        "filter: shortest side {} px, aspect {}, IoU {}, cap {}",
        limits.min_side, limits.max_aspect, limits.max_iou, limits.cap
    )?;
    text += &counts.table(settings.views.instances)?;
    if let Some(parent) = svg.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
    }
    let title = format!("{name} on {} of {}", counted(images, "image[|s]"), settings.data.name);
    remove_abandoned_of(svg)?;
    write_atomic(svg, picture(&title, &counts.panels()).as_bytes())?;
    writeln!(text, "\n{}", svg.display())?;
    output::print(text)
}

/// The boxes of all images.
struct Counted {
    /// Per image, before the filter.
    all: Vec<usize>,
    /// Per image, after it.
    kept: Vec<usize>,
    recalls: [Recall; 4],
}

impl Counted {
    fn of(opened: &Opened) -> Result<Self> {
        let (limits, images) = (opened.recipe.settings.proposals.limits, opened.dataset.len());
        let (mut all, mut kept) = (Vec::with_capacity(images), Vec::with_capacity(images));
        let mut recalls = ["first 100", "first 500", "all", "after the filter"].map(Recall::new);
        let mut task = Task::alone("statistics");
        for image in 0..images {
            let boxes = opened.proposals.unfiltered(&*opened.dataset, image)?;
            let filtered = limits.filter(&boxes);
            all.push(boxes.len());
            kept.push(filtered.len());
            let annotations = opened.dataset.annotations(image)?;
            let objects: Vec<_> =
                annotations.iter().filter(|one| !one.crowd).map(|one| one.bounding_box).collect();
            let first = |count: usize| &boxes[..boxes.len().min(count)];
            for (recall, seen) in recalls.iter_mut().zip([first(100), first(500), &boxes, &filtered]) {
                recall.add(seen, &objects);
            }
            task.show(image as u64 + 1, images as u64);
        }
        Ok(Self { all, kept, recalls })
    }

    fn objects(&self) -> usize {
        self.recalls[0].objects
    }

    /// Boxes per image, images with fewer than K, and the recall of annotated objects.
    fn table(&self, instances: usize) -> Result<String> {
        let mut text = String::new();
        writeln!(
            text,
            "\n{:<18} {:>8} {:>8} {:>8} {:>8}",
            "boxes per image", "mean", "median", "least", "most"
        )?;
        for (what, counts) in [("before the filter", &self.all), ("after the filter", &self.kept)] {
            let Spread { mean, median, least, most } = Spread::of(counts);
            writeln!(text, "{what:<18} {mean:>8.1} {median:>8} {least:>8} {most:>8}")?;
        }
        let few = self.kept.iter().filter(|&&count| count < instances).count();
        let few = percent(few, self.kept.len());
        writeln!(text, "\n{few:.1}% of the images have fewer than K = {instances} boxes")?;
        if self.objects() > 0 {
            writeln!(
                text,
                "\n{:<18} {:>8} {:>8} {:>8}   {} annotated objects",
                "recall, %",
                "IoU 0.5",
                "IoU 0.7",
                "ABO",
                self.objects()
            )?;
            for recall in &self.recalls {
                let [half, tight, overlap] = recall.percent();
                writeln!(text, "{:<18} {half:>8.1} {tight:>8.1} {overlap:>8.1}", recall.name)?;
            }
        }
        Ok(text)
    }

    fn panels(&self) -> Vec<Panel> {
        let mut panels = vec![
            Panel::histogram("Boxes per image, before the filter", &self.all),
            Panel::histogram("Boxes per image, after the filter", &self.kept),
        ];
        if self.objects() > 0 {
            let bars =
                self.recalls.iter().map(|recall| (recall.name.to_string(), recall.percent()[0])).collect();
            panels.push(Panel { title: "Recall at IoU 0.5, %".into(), bars });
        }
        panels
    }
}

/// The bytes of a directory's files.
fn size(directory: &Path) -> Result<u64> {
    let context = || format!("listing {}", directory.display());
    let mut bytes = 0;
    for entry in fs::read_dir(directory).with_context(context)? {
        bytes += entry.and_then(|entry| entry.metadata()).with_context(context)?.len();
    }
    Ok(bytes)
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

struct Spread {
    mean: f64,
    median: usize,
    least: usize,
    most: usize,
}

impl Spread {
    /// Of at least one count.
    fn of(counts: &[usize]) -> Self {
        let mut sorted = counts.to_vec();
        sorted.sort_unstable();
        Self {
            mean: sorted.iter().sum::<usize>() as f64 / sorted.len().max(1) as f64,
            median: sorted.get(sorted.len() / 2).copied().unwrap_or(0),
            least: sorted.first().copied().unwrap_or(0),
            most: sorted.last().copied().unwrap_or(0),
        }
    }
}

/// The share of annotated objects that some of the boxes find.
struct Recall {
    name: &'static str,
    objects: usize,
    half: usize,
    tight: usize,
    overlap: f64,
}

impl Recall {
    fn new(name: &'static str) -> Self {
        Self { name, objects: 0, half: 0, tight: 0, overlap: 0.0 }
    }

    fn add(&mut self, boxes: &[BoundingBox], objects: &[BoundingBox]) {
        for object in objects {
            let best = boxes.iter().map(|one| one.iou(object)).fold(0.0, f32::max);
            self.objects += 1;
            self.half += usize::from(best >= 0.5);
            self.tight += usize::from(best >= 0.7);
            self.overlap += f64::from(best);
        }
    }

    /// Recall at IoU 0.5 and at 0.7, and the average best overlap.
    fn percent(&self) -> [f64; 3] {
        let overlap = 100.0 * self.overlap / self.objects.max(1) as f64;
        [percent(self.half, self.objects), percent(self.tight, self.objects), overlap]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recall_counts_objects_whose_best_box_overlaps_enough() {
        let object = BoundingBox::new(0, 0, 100, 100);
        let cases = [
            // (boxes, recall at 0.5 and 0.7, average best overlap)
            (vec![], [0.0, 0.0, 0.0]),
            (vec![BoundingBox::new(0, 0, 100, 50)], [100.0, 0.0, 50.0]),
            (vec![BoundingBox::new(0, 0, 100, 50), BoundingBox::new(0, 0, 100, 80)], [100.0, 100.0, 80.0]),
        ];
        for (boxes, expected) in cases {
            let mut recall = Recall::new("all");
            recall.add(&boxes, &[object]);
            let found = recall.percent();
            assert!(found.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-4), "{found:?}");
        }
    }
}
