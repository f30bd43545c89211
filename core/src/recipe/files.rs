//! Files of recipes, on disk or embedded in the binary.

use crate::text_file::{self, TextFileError};
use std::collections::BTreeSet;
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
        let folders = self.inside(folder).into_iter().filter(|(_, is_folder)| *is_folder);
        folders.filter_map(|(path, _)| Some(path.file_name()?.to_string_lossy().into_owned())).collect()
    }

    /// The names of a folder's TOML files, sorted, without `.toml`.
    pub fn toml_stems(&self, folder: &Path) -> Vec<String> {
        let toml = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "toml");
        let files = self.inside(folder).into_iter().map(|(path, _)| path).filter(toml);
        let mut stems: Vec<String> =
            files.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
        stems.sort();
        stems
    }

    /// The paths in a folder, sorted, and whether each is a folder; none of a folder that cannot be read.
    fn inside(&self, folder: &Path) -> BTreeSet<(PathBuf, bool)> {
        if let Ok(inside) = folder.strip_prefix(EMBEDDED_ROOT) {
            let first = |(name, _): &(&str, &str)| {
                let mut parts = Path::new(name).strip_prefix(inside).ok()?.iter();
                let path = inside.join(parts.next()?);
                Some((path, parts.next().is_some()))
            };
            return self.files.iter().filter_map(first).collect();
        }
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| (entry.path(), entry.path().is_dir())).collect()
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
