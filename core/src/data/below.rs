//! Image files that a dataset's annotations name: below their directory, and nowhere else.

use crate::error::ImageError;
use anyhow::{Context, Result, ensure};
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// The directory that all named files are below. The recipe names it, and it may lie behind links; the names in it come from
/// elsewhere, and lead to no other file of the machine.
#[derive(Debug)]
pub struct Below {
    directory: PathBuf,
    /// The directory without links; none where links may lead anywhere.
    real: Option<PathBuf>,
}

impl Below {
    /// Names in `directory`. With `follow_links` symbolic links may lead out of it.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn new(directory: &Path, follow_links: bool) -> Result<Self> {
        let real = directory.canonicalize().with_context(|| format!("opening {}", directory.display()))?;
        Ok(Self { directory: directory.into(), real: (!follow_links).then_some(real) })
    }

    /// The path of a file by its name, a relative path. Nothing on disk is looked at.
    ///
    /// # Errors
    /// When the name is empty, absolute, has `..` or a control character.
    pub fn path(&self, name: &str) -> Result<PathBuf> {
        // Escaped, since what it is refused for may be what it does to a terminal.
        let shown = || name.chars().take(100).flat_map(char::escape_default).collect::<String>();
        ensure!(
            !name.chars().any(char::is_control),
            "the file name \"{}\" has control characters; rename the file",
            shown()
        );
        let relative = Path::new(name);
        let inside = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
        ensure!(
            relative.components().all(inside) && relative.file_name().is_some(),
            "the file name \"{}\" is not of a file below {}; expected a relative path without `..`",
            shown(),
            self.directory.display()
        );
        Ok(self.directory.join(relative))
    }

    /// Checks a file, just before it is read.
    ///
    /// # Errors
    /// [`ImageError::Broken`] when the path leads out of the directory by a link. A file that is missing is for its reader to name.
    pub fn check(&self, path: &Path) -> Result<(), ImageError> {
        let Some(real) = &self.real else { return Ok(()) };
        let problem = match path.canonicalize() {
            Ok(file) if file.starts_with(real) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Ok(file) => format!(
                "is a link to {}, which is not below {}; if that is meant, set `follow_links = true` for the dataset",
                file.display(),
                real.display()
            ),
            Err(error) => format!("cannot be read: {error}"),
        };
        Err(ImageError::Broken { path: path.into(), problem })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_name_leads_to_a_file_below_the_directory_or_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let below = Below::new(root.path(), false).unwrap();
        for name in ["a.jpg", "b/c/a.jpg", "./a.jpg", "a b ü 犬.jpg", "..a.jpg", "a..b/c.jpg"] {
            assert_eq!(below.path(name).unwrap(), root.path().join(name), "{name}");
        }
        for name in ["", ".", "/dev/zero", "..", "../a.jpg", "b/../../a.jpg", "b/.."] {
            let said = below.path(name).unwrap_err().to_string();
            assert!(said.contains("expected a relative path without `..`"), "{name}: {said}");
        }
        let said = below.path("\u{1b}]0;owned\u{7}\n").unwrap_err().to_string();
        assert!(said.contains(r#""\u{1b}]0;owned\u{7}\n" has control characters"#), "{said}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_leads_out_of_the_directory_only_where_it_may() {
        use std::os::unix::fs::symlink;
        let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let directory = root.path().join("train");
        fs::create_dir_all(directory.join("more")).unwrap();
        fs::write(directory.join("a.jpg"), "a").unwrap();
        fs::write(elsewhere.path().join("b.jpg"), "b").unwrap();
        symlink(directory.join("a.jpg"), directory.join("inside.jpg")).unwrap();
        symlink(elsewhere.path().join("b.jpg"), directory.join("out.jpg")).unwrap();
        symlink(elsewhere.path(), directory.join("more/out")).unwrap();
        symlink(&directory, root.path().join("linked")).unwrap();
        for directory in [directory, root.path().join("linked")] {
            let strict = Below::new(&directory, false).unwrap();
            for name in ["a.jpg", "inside.jpg", "missing.jpg"] {
                strict.check(&strict.path(name).unwrap()).unwrap();
            }
            for name in ["out.jpg", "more/out/b.jpg"] {
                let said = strict.check(&strict.path(name).unwrap()).unwrap_err().to_string();
                assert!(said.contains("is a link to ") && said.contains("follow_links = true"), "{said}");
                let lenient = Below::new(&directory, true).unwrap();
                lenient.check(&lenient.path(name).unwrap()).unwrap();
            }
        }
    }
}
