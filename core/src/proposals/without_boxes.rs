//! The images that could not be read when a shard was made: a text file beside it, so that every later run is told.

use crate::files::{remove_if_there, write_atomic};
use anyhow::{Context, Result};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Notes why images of a shard are without boxes; to be written before the shard, which stands for both.
pub(super) fn write(shard: &Path, reasons: &[String]) -> Result<()> {
    let path = beside(shard);
    if !reasons.is_empty() {
        let lines: String = reasons.iter().map(|reason| reason.replace('\n', " ") + "\n").collect();
        return write_atomic(&path, lines.as_bytes());
    }
    remove_if_there(&path)
}

/// The reasons noted for a shard, each with what to do.
pub(super) fn read(shard: &Path) -> Result<Vec<String>> {
    let path = beside(shard);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.with_context(|| format!("reading {}", path.display()))?,
    };
    let remedy = format!("when its boxes were made; remove {} to have it read again", shard.display());
    Ok(text.lines().map(|reason| format!("{reason} ({remedy})")).collect())
}

fn beside(shard: &Path) -> PathBuf {
    shard.with_extension("unread.txt")
}
