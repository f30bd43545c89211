//! Files of recipes, on disk or embedded in the binary.

use crate::text_file::{self, TextFileError};
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// Text files in the binary, below a root that no disk has.
#[derive(Debug, Clone, Copy, Default)]
pub struct Embedded {
    /// Paths from [`EMBEDDED_ROOT`], and what is in each file.
    pub files: &'static [(&'static str, &'static str)],
}

/// The root of embedded files: `univip:/recipes/base.toml`. A recipe on disk inherits them by these names.
pub const EMBEDDED_ROOT: &str = "univip:";

impl Embedded {
    /// The text of a file of the disk or of the binary.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn read(&self, path: &Path) -> Result<String, TextFileError> {
        let Ok(inside) = path.strip_prefix(EMBEDDED_ROOT) else { return text_file::read(path) };
        let found = self.files.iter().find(|(name, _)| inside == Path::new(name));
        let missing = || {
            let (doing, source) = ("opening", ErrorKind::NotFound.into());
            TextFileError::System { doing, path: path.into(), source }
        };
        found.map(|(_, text)| text.to_string()).ok_or_else(missing)
    }

    /// The path of a file that is inherited by one in `folder`.
    pub fn inherited(folder: &Path, written: &str) -> PathBuf {
        if Path::new(written).starts_with(EMBEDDED_ROOT) {
            written.into()
        } else {
            tidy(&folder.join(written))
        }
    }

    /// The names of the folders in a folder, sorted.
    pub fn folders(&self, folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = match folder.strip_prefix(EMBEDDED_ROOT) {
            Ok(inside) => {
                let below = |(name, _): &(&str, &str)| {
                    let mut parts = Path::new(name).strip_prefix(inside).ok()?.iter();
                    let first = parts.next()?.to_string_lossy().into_owned();
                    parts.next().map(|_| first)
                };
                self.files.iter().filter_map(below).collect()
            }
            Err(_) => {
                let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
                let folders = entries.filter(|entry| entry.path().is_dir());
                folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
            }
        };
        names.sort();
        names.dedup();
        names
    }

    /// The names of a folder's TOML files, sorted, without `.toml`.
    pub fn toml_stems(&self, folder: &Path) -> Vec<String> {
        let paths: Vec<PathBuf> = match folder.strip_prefix(EMBEDDED_ROOT) {
            Ok(inside) => {
                let paths = self.files.iter().map(|(name, _)| PathBuf::from(name));
                paths.filter(|path| path.parent() == Some(inside)).collect()
            }
            Err(_) => {
                let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
                std::fs::read_dir(folder)
                    .into_iter()
                    .flatten()
                    .filter_map(|entry| Some(entry.ok()?.path()))
                    .collect()
            }
        };
        let toml = paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
        let mut stems: Vec<String> =
            toml.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
        stems.sort();
        stems
    }
}

/// The path without `.` and without `folder/..`, so that messages name a file in one way.
pub(super) fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(tidy.components().next_back(), Some(Component::Normal(_))) => {
                tidy.pop();
            }
            other => tidy.push(other),
        }
    }
    tidy
}
