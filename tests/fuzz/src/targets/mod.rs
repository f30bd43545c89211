//! The targets: one entry for each reader of outside input.

mod boxes;
mod coco;
mod images;
mod masks;
mod planted;
mod recipe;
mod reports;
mod tensors;
mod voc;

use crate::mutate::Dialect;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// A reader and what it is given.
pub struct Target {
    pub name: &'static str,
    /// The description of its input, for a list.
    pub summary: &'static str,
    /// The mutations of its inputs.
    pub dialect: Dialect,
    pub bound: Bound,
    /// The path of an input below the target's directory, where it is written before it is read.
    pub place: &'static str,
    /// Right inputs beside those of `corpus/NAME/`: fixtures of tests, from the workspace's root.
    pub fixtures: &'static [&'static str],
    /// Makes what the reader needs beside its input, in an empty directory.
    pub prepare: fn(&Path) -> Result<Opened>,
    /// One that has faults on purpose: read only when it is named.
    pub planted: bool,
}

/// The memory that may be held while an input is read: so much, and so much more for each of its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    pub bytes: usize,
    pub per_byte: usize,
}

/// Reads an input, from its file or from memory.
pub type Read = Box<dyn FnMut(&Path, &[u8]) -> Result<()>>;

/// A reader that is ready.
pub struct Opened {
    pub read: Read,
    /// Right inputs in formats of this project, which its own writers made.
    pub made: Vec<Vec<u8>>,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    recipe::RECIPE,
    coco::ANNOTATIONS,
    coco::RESULTS,
    masks::MASKS,
    masks::RUN_LENGTHS,
    voc::ANNOTATIONS,
    boxes::STORED,
    boxes::IMPORTED,
    tensors::CHECKPOINT,
    tensors::TORCH_FILE,
    tensors::SAFETENSORS,
    images::IMAGES,
    reports::RECORD,
    reports::METRICS,
    reports::EVALUATIONS,
    reports::PLAN,
    planted::PLANTED,
];

impl Bound {
    /// For an input of so many bytes.
    pub fn of(self, length: usize) -> usize {
        self.bytes + self.per_byte * length
    }
}

impl Opened {
    /// A reader whose right inputs are all committed.
    pub fn new(read: impl FnMut(&Path, &[u8]) -> Result<()> + 'static) -> Self {
        Self { read: Box::new(read), made: Vec::new() }
    }
}

impl Target {
    /// The reader, and all right inputs in a fixed order.
    pub fn open(&self, directory: &Path) -> Result<(Opened, Vec<Vec<u8>>)> {
        let place = directory.join(self.place);
        fs::create_dir_all(place.parent().unwrap_or(directory))?;
        let mut opened = (self.prepare)(directory).with_context(|| format!("preparing {}", self.name))?;
        let mut seeds = std::mem::take(&mut opened.made);
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(self.name);
        let mut paths: Vec<_> = match fs::read_dir(&corpus) {
            Ok(listing) => listing.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?,
            Err(_) => Vec::new(),
        };
        paths.sort();
        paths.extend(self.fixtures.iter().map(|path| workspace(path)));
        for path in paths {
            seeds.push(fs::read(&path).with_context(|| format!("reading {}", path.display()))?);
        }
        anyhow::ensure!(
            !seeds.is_empty(),
            "{} has no right input; put one into {}",
            self.name,
            corpus.display()
        );
        Ok((opened, seeds))
    }
}

/// A path from the workspace's root.
fn workspace(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}
