//! `univip proposals import`.

use super::store::{Opened, StoreChoice};
use crate::boxes::{Imported, import_boxes};
use crate::output;
use crate::system::interrupts::STOP;
use crate::usage::needs_file;
use anyhow::{Context, Result};
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};
use univip_core::counted::counted;
use univip_core::dataset::Dataset;
use univip_core::registry::Registry;

/// `univip proposals import`
#[derive(Args)]
pub struct Import {
    /// The JSON file
    file: PathBuf,
    /// The name of these boxes in recipes: `proposal.imported.name`
    #[arg(long, default_value = "imported")]
    name: String,
    #[command(flatten)]
    store: StoreChoice,
}

/// Shown by `univip proposals import --help`.
pub const EXAMPLES: &str = "Examples:
  univip proposals import train2017.json --name orl --data coco=photos/coco
  univip ablate table7 --data coco=photos/coco --set proposals.use=imported --set proposal.imported.name=orl

Reads {\"139\": [[x, y, width, height], ...], ...} and ORL's {\"bbox\": [[[x, y, width, height], ...], ...]}, in the order of the
dataset. A name is an image's id, or the end of its file's path, with or without its ending: 000005.jpg, a/0.jpg, 000005.
One that several images have is refused.";

impl Import {
    /// Reads the file into the store.
    ///
    /// # Errors
    /// Naming the file: when it cannot be read or has other boxes than the dataset's.
    pub fn run(mut self, registry: &Registry) -> Result<()> {
        needs_file("FILE", &self.file)?;
        self.store.layers.set.push("proposals.use=imported".into());
        self.store.layers.set.push(format!("proposal.imported.name={}", serde_json::to_string(&self.name)?));
        import(&Opened::new(&self.store, registry, &STOP)?, &self.file, &self.name)
    }
}

/// Reads a file of `[x, y, width, height]` boxes, of either form, into the store of the imports called `name`:
///
/// - `{"139": [[x, y, width, height], ...], ...}`, from image ids or file names to their boxes ([`Names::find`](crate::boxes::Names::find));
/// - `{"bbox": [[[x, y, width, height], ...], ...]}`, ORL's, in the order of the dataset's images.
///
/// The file is read as a stream; boxes wait in memory only until their shard is complete, which in a file that is
/// in the dataset's order is at once.
fn import(opened: &Opened, path: &Path, name: &str) -> Result<()> {
    let store = opened.store()?;
    let empty = holds_nothing(store.directory())?;
    let read = import_boxes(&*opened.dataset, store, path);
    if read.is_err() && empty {
        // A part of a file would be in the way of the whole one. What failed first is the error to tell.
        let _ = fs::remove_dir_all(store.directory());
    }
    let Imported { found, foreign, new } = read?;
    output::print(format_args!(
        "{}: {}, {}\n",
        store.directory().display(),
        counted(found, "image[|s]"),
        counted(new, "new shard[|s]")
    ))?;
    let all = opened.dataset.len();
    if found < all {
        output::say(format_args!(
            "warning: {} in {}",
            counted(all - found, "image[ has|s have] no boxes"),
            path.display()
        ));
    }
    for line in foreign.lines() {
        output::say(format_args!("warning: {}: {line}", path.display()));
    }
    output::print(format_args!(
        "use it with --set proposals.use=imported --set proposal.imported.name={name}\n"
    ))
}

/// True for a store's directory without boxes of any images.
fn holds_nothing(directory: &Path) -> Result<bool> {
    let listing = || format!("listing {}", directory.display());
    for entry in fs::read_dir(directory).with_context(listing)? {
        if entry.with_context(listing)?.path().extension().is_some_and(|ending| ending == "npz") {
            return Ok(false);
        }
    }
    Ok(true)
}
