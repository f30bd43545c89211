//! The contents of all images of a split, by name.

use super::Content;
use crate::dataset::Dataset;
use crate::files::write_atomic;
use anyhow::{Context, Result};
use std::cmp::Ordering;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The contents of all images of a split, by name and in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    digest: String,
    images: Vec<Listed>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    /// As it can stand in a line.
    name: String,
    /// None of an image without a file.
    content: Option<Content>,
}

impl Manifest {
    /// Of a dataset as it is now.
    pub fn of(dataset: &dyn Dataset) -> Self {
        let listed = |index| Listed {
            name: dataset.id(index).escape_debug().to_string(),
            content: dataset.content(index),
        };
        Self { digest: dataset.identity(), images: (0..dataset.len()).map(listed).collect() }
    }

    /// [`Dataset::identity`].
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Writes it into `directory`, as `images-<digest>.txt`, unless it is there. Images without files need none.
    pub fn keep(&self, directory: &Path) -> Result<()> {
        let path = path(directory, &self.digest);
        if path.exists() || !self.has_files() {
            return Ok(());
        }
        let mut text = String::new();
        for Listed { name, content } in &self.images {
            match content {
                Some(content) => writeln!(text, "{content} {name}")?,
                None => writeln!(text, "- {name}")?,
            }
        }
        fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
        write_atomic(&path, text.as_bytes())
    }

    /// The changes since the manifest with the digest `earlier` was kept in `directory`, as the end of a sentence
    /// that names the first image.
    pub fn changes_since(&self, directory: &Path, earlier: &str) -> String {
        if !self.has_files() {
            return "another version of the dataset makes them".into();
        }
        let Ok(text) = fs::read_to_string(path(directory, earlier)) else {
            return format!("which ones is not known, {} is missing", path(directory, earlier).display());
        };
        let then: Option<Vec<Listed>> = text.lines().map(Listed::parse).collect();
        match then {
            Some(then) => changes(&then, &self.images),
            None => format!("which ones is not known, {} is damaged", path(directory, earlier).display()),
        }
    }
}

impl Manifest {
    fn has_files(&self) -> bool {
        self.images.iter().any(|image| image.content.is_some())
    }
}

impl Listed {
    fn parse(line: &str) -> Option<Self> {
        let (content, name) = line.split_once(' ')?;
        let content = if content == "-" { None } else { Some(Content::parse(content)?) };
        Some(Self { name: name.into(), content })
    }
}

fn changes(then: &[Listed], now: &[Listed]) -> String {
    let mut differ = then.iter().zip(now).filter(|(then, now)| then != now);
    match (differ.next(), then.len().cmp(&now.len())) {
        (Some((then, now)), _) if then.name != now.name => {
            format!("the first is {}, where {} was", now.name, then.name)
        }
        (Some((_, first)), _) => {
            format!("{} of {}, the first is {}", 1 + differ.count(), now.len(), first.name)
        }
        (None, Ordering::Less) => format!("the first new one is {}", now[then.len()].name),
        (None, Ordering::Greater) => format!("the first that is gone is {}", then[now.len()].name),
        (None, Ordering::Equal) => "the files are the same, but not their classes or annotations".into(),
    }
}

fn path(directory: &Path, digest: &str) -> PathBuf {
    directory.join(format!("images-{digest}.txt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(images: &[(&str, u8)]) -> Vec<Listed> {
        let one = |(name, content): &(&str, u8)| Listed {
            name: (*name).into(),
            content: Some(Content::Bytes([*content; 16])),
        };
        images.iter().map(one).collect()
    }

    #[test]
    fn the_first_change_is_named() -> Result<()> {
        let then = [("a", 1), ("b", 2), ("c", 3)];
        let cases: [(&[(&str, u8)], &str); 5] = [
            (&[("a", 1), ("b", 9), ("c", 9)], "2 of 3, the first is b"),
            (&[("a", 1), ("x", 2), ("c", 3)], "the first is x, where b was"),
            (&[("a", 1), ("b", 2)], "the first that is gone is c"),
            (&[("a", 1), ("b", 2), ("c", 3), ("d", 4)], "the first new one is d"),
            (&then, "not their classes or annotations"),
        ];
        let directory = tempfile::tempdir()?;
        let earlier = Manifest { digest: "0123".into(), images: listed(&then) };
        earlier.keep(directory.path())?;
        for (now, expected) in cases {
            let now = Manifest { digest: "4567".into(), images: listed(now) };
            let said = now.changes_since(directory.path(), "0123");
            assert!(said.contains(expected), "{said} / {expected}");
        }
        assert!(earlier.changes_since(directory.path(), "89ab").contains("images-89ab.txt is missing"));
        Ok(())
    }
}
