//! `univip proposals export`: a store as JSON.

use super::store::{Opened, StoreChoice};
use crate::boxes::Names;
use crate::observers::Task;
use crate::output;
use crate::system::interrupts::STOP;
use anyhow::{Context, Result};
use clap::Args;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use univip_core::counted::counted;
use univip_core::dataset::Dataset;
use univip_core::files::{remove_abandoned_of, write_atomic_with, writing};
use univip_core::registry::Registry;

/// `univip proposals export`
#[derive(Args)]
pub struct Export {
    /// The JSON file to write
    file: PathBuf,
    /// As ORL reads it: one list, in the order of the dataset
    #[arg(long)]
    orl: bool,
    #[command(flatten)]
    store: StoreChoice,
}

/// Shown by `univip proposals export --help`.
pub const EXAMPLES: &str = "Examples:
  univip proposals export boxes.json --data coco=photos/coco
  univip proposals export boxes.json --orl --data coco=photos/coco --split val";

impl Export {
    /// Writes the file.
    ///
    /// # Errors
    /// When the store lacks images or the file cannot be written.
    pub fn run(&self, registry: &Registry) -> Result<()> {
        export(&Opened::new(&self.store, registry, &STOP)?, &self.file, self.orl)
    }
}

/// Writes all boxes of a complete store, unfiltered and in order, as `[x, y, width, height]`: an object from the
/// images' names, by which an import finds them, to their boxes or, for ORL, `{"bbox": [...]}` in the order of the dataset.
/// The file is complete or not there.
fn export(opened: &Opened, path: &Path, orl: bool) -> Result<()> {
    let (store, images) = (opened.store()?, opened.dataset.len());
    opened.whole(store)?;
    let names = Names::of(&*opened.dataset);
    let name = |image| {
        let nameless = || {
            let id = opened.dataset.id(image);
            format!(
                "image {id} has no name of its own for an import to find it by: write boxes in order, with --orl"
            )
        };
        names.name(image).with_context(nameless)
    };
    let mut task = Task::alone("export");
    let (open, close) = if orl { ("{\"bbox\": [\n", "\n]}\n") } else { ("{\n", "\n}\n") };
    remove_abandoned_of(path)?;
    write_atomic_with(path, |file| {
        let full = || writing(path);
        let mut file = BufWriter::new(file);
        file.write_all(open.as_bytes()).with_context(full)?;
        for image in 0..images {
            let boxes: Vec<[u32; 4]> =
                store.boxes(image)?.iter().map(|one| [one.x, one.y, one.width, one.height]).collect();
            let name = if orl { String::new() } else { serde_json::to_string(&name(image)?)? + ": " };
            let end = if image + 1 == images { "" } else { ",\n" };
            write!(file, "{name}{}{end}", serde_json::to_string(&boxes)?).with_context(full)?;
            task.show(image as u64 + 1, images as u64);
        }
        file.write_all(close.as_bytes()).and_then(|()| file.flush()).with_context(full)
    })?;
    drop(task);
    output::print(format_args!("{}: the boxes of {}\n", path.display(), counted(images, "image[|s]")))
}
