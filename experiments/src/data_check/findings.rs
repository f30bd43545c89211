//! The findings in a dataset, counted and named.

use super::look::{Pixels, Seen};
use std::collections::{BTreeSet, HashMap};
use univip_core::dataset::{Dataset, Split};
use univip_core::geometry::Size;
use univip_core::tally::Tally;

/// Below, a network whose maps are this much smaller than the image sees a single cell.
const TINY: u32 = 32;
/// Beyond, one image takes longer to read than a batch of photos.
const HUGE: u64 = 25_000_000;
/// Beyond, a crop of usual proportions shows a small part.
const LONG: f64 = 5.0;

const UNREADABLE: &str = "image[|s] cannot be read";
const TINY_ONES: &str = "image[ is|s are] less than 32 pixels wide or high";
const HUGE_ONES: &str = "image[ has|s have] more than 25 million pixels, which takes long to read";
const LONG_ONES: &str = "image[ is|s are] more than 5 times as long as [it is|they are] wide";
const TWICE: &str = "image[ has|s have] the same pixels as another of the split";
const IN_BOTH: &str = "image[ has|s have] the same pixels as one of train";
const UNLABELLED: &str = "image[ has|s have] no label and no annotation";
const WITHOUT_OBJECTS: &str = "image[ has|s have] no annotation";
const WITHOUT_IMAGES: &str = "class[ has|es have] no image";
const OTHER_SIZE: &str = "image[ has another size than its|s have another size than their] annotations say";
const OUTSIDE: &str = "[box leaves its|boxes leave their] image";
const FLAT: &str = "[box has|boxes have] no area";
const BAD_ANNOTATIONS: &str = "image[ has|s have] annotations that cannot be read";

/// Of all splits so far.
#[derive(Default)]
pub struct Findings {
    /// Of the split that is looked through.
    tally: Tally,
    /// The classes that it has.
    classes: BTreeSet<usize>,
    /// Its images without a label or an annotation.
    unlabelled: Vec<String>,
    /// An image of it has a label.
    labelled: bool,
    /// The first image with certain pixels, by their digest.
    first: HashMap<[u8; 32], First>,
    any: bool,
}

struct First {
    split: Split,
    id: String,
}

/// A line for each kind.
pub struct Lines {
    /// Faults.
    pub problems: Vec<String>,
    /// Notable facts that are no faults.
    pub notes: Vec<String>,
}

impl Findings {
    /// Takes note of an image.
    pub fn add(&mut self, split: Split, seen: Seen) {
        self.classes.extend(&seen.classes);
        self.labelled |= seen.labelled;
        if seen.classes.is_empty() && seen.unreadable_annotations.is_none() {
            self.unlabelled.push(seen.id.clone());
        }
        let Self { tally, .. } = self;
        if let Some(problem) = &seen.unreadable_annotations {
            tally.add(BAD_ANNOTATIONS, || format!("{} ({problem})", seen.id));
        }
        for bounding_box in &seen.outside {
            tally.add(OUTSIDE, || format!("{bounding_box:?} of {}", seen.id));
        }
        (0..seen.flat).for_each(|_| tally.add(FLAT, || seen.id.clone()));
        match seen.pixels {
            Err(problem) => tally.add(UNREADABLE, || format!("{} ({problem})", seen.id)),
            Ok(Pixels { size, digest }) => {
                if let Some(other) = seen.annotated.filter(|annotated| *annotated != size) {
                    tally.add(OTHER_SIZE, || format!("{} ({}, not {})", seen.id, text(size), text(other)));
                }
                self.of_size(&seen.id, size);
                self.of_pixels(split, seen.id, digest);
            }
        }
    }

    /// The findings in the split that was just read, and notes, a line per kind.
    pub fn end_split(&mut self, dataset: &dyn Dataset) -> Lines {
        let (mut tally, mut notes) = (std::mem::take(&mut self.tally), Tally::default());
        tally.merge(dataset.skipped());
        let (classes, unlabelled) = (std::mem::take(&mut self.classes), std::mem::take(&mut self.unlabelled));
        // Of a dataset without classes no image has a label.
        if !dataset.classes().is_empty() {
            // A dataset of objects has images without any, and a part of COCO lacks some classes.
            let labelled = std::mem::take(&mut self.labelled);
            let (tally, kind) =
                if labelled { (&mut tally, UNLABELLED) } else { (&mut notes, WITHOUT_OBJECTS) };
            unlabelled.into_iter().for_each(|id| tally.add(kind, || id));
            let names = dataset.classes().iter().enumerate();
            names
                .filter(|(class, _)| !classes.contains(class))
                .for_each(|(_, name)| tally.add(WITHOUT_IMAGES, || name.clone()));
        }
        let problems = tally.lines();
        self.any |= !problems.is_empty();
        Lines { problems, notes: notes.lines() }
    }

    /// A split could not be opened.
    pub fn failed(&mut self) {
        self.any = true;
    }

    /// True when nothing was found in any split.
    pub fn none(&self) -> bool {
        !self.any
    }

    fn of_size(&mut self, id: &str, size: Size) {
        let Size { width, height } = size;
        let named = || format!("{id} ({})", text(size));
        if width.min(height) < TINY {
            self.tally.add(TINY_ONES, named);
        }
        if u64::from(width) * u64::from(height) > HUGE {
            self.tally.add(HUGE_ONES, named);
        }
        if f64::from(width.max(height)) > LONG * f64::from(width.min(height)) {
            self.tally.add(LONG_ONES, named);
        }
    }

    fn of_pixels(&mut self, split: Split, id: String, digest: [u8; 32]) {
        match self.first.get(&digest) {
            Some(first) => {
                let kind = if first.split == split { TWICE } else { IN_BOTH };
                self.tally.add(kind, || format!("{id} = {}", first.id));
            }
            None => {
                self.first.insert(digest, First { split, id });
            }
        }
    }
}

fn text(Size { width, height }: Size) -> String {
    format!("{width} x {height}")
}
