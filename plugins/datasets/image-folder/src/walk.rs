//! The image files below a directory, by their names.

use anyhow::{Context, Result, anyhow};
use std::io::ErrorKind;
use std::path::Path;
use univip_core::image_file::{OTHER_FILES, is_named_as_image};
use univip_core::tally::Tally;
use walkdir::{DirEntry, WalkDir};

/// The entries below a directory.
#[derive(Debug, Default)]
pub struct Found {
    /// Image files, as paths from the directory with `/` between their parts.
    pub images: Vec<String>,
    /// All others. Hidden names (`.DS_Store`, `._a.jpg`) are ignored.
    pub others: Tally,
}

const DEAD_LINKS: &str = "link[ leads|s lead] to nothing and [is|are] skipped";
const LOOPS: &str = "link[ leads|s lead] back to a directory above [it|them] and [is|are] skipped";
const SPECIAL: &str = "[entry is neither a file nor a directory|entries are neither files nor directories] and [is|are] skipped";

/// Looks through a directory and all below it, links included, in the order of torchvision's `ImageFolder`: directory
/// by directory, each sorted by name.
///
/// # Errors
/// When a directory cannot be listed or a name is not UTF-8.
pub fn images_below(directory: &Path) -> Result<Found> {
    let mut found = Found::default();
    let visible = |entry: &DirEntry| entry.depth() == 0 || !is_hidden(entry);
    let named = |path: &Path| path.strip_prefix(directory).unwrap_or(path).display().to_string();
    for entry in WalkDir::new(directory).follow_links(true).into_iter().filter_entry(visible) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let Some(kind) = harmless(&error) else {
                    return Err(error).with_context(|| format!("cannot list {}", directory.display()));
                };
                found.others.add(kind, || error.path().map(named).unwrap_or_default());
                continue;
            }
        };
        if entry.file_type().is_dir() {
            continue;
        }
        if !entry.file_type().is_file() {
            found.others.add(SPECIAL, || named(entry.path()));
        } else if is_named_as_image(entry.path()) {
            found.images.push(utf8(entry.path().strip_prefix(directory)?)?);
        } else {
            found.others.add(OTHER_FILES, || named(entry.path()));
        }
    }
    found.images.sort_by(|one, other| parts(one).cmp(&parts(other)));
    Ok(found)
}

/// Below a root of any depth, a link that leads nowhere or in circles costs only itself.
fn harmless(error: &walkdir::Error) -> Option<&'static str> {
    if error.depth() == 0 {
        return None;
    }
    if error.loop_ancestor().is_some() {
        return Some(LOOPS);
    }
    let dead = error.io_error().is_some_and(|error| error.kind() == ErrorKind::NotFound);
    dead.then_some(DEAD_LINKS)
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

/// The directory of a path, and its name in it.
fn parts(path: &str) -> [&str; 2] {
    path.rsplit_once('/').map_or(["", path], |(directory, name)| [directory, name])
}

fn utf8(path: &Path) -> Result<String> {
    let text = path.to_str().ok_or_else(|| anyhow!("{path:?} is not UTF-8: rename it"))?;
    Ok(text.replace(std::path::MAIN_SEPARATOR, "/"))
}
