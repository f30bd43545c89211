//! The contents of the files below a directory when they were last read, kept on disk.

use crate::data::content::{Content, Look};
use crate::data::stamp::Stamp;
use crate::digest::hexadecimal;
use crate::files::{remove_abandoned, write_atomic};
use crate::geometry::Size;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The last [`Look`] at each file below `root`, by its path from there.
///
/// It is a line for each file and a digest of them all; a file of it that is damaged is not used.
pub(super) struct Cache {
    file: PathBuf,
    root: PathBuf,
    looks: HashMap<String, Look>,
    grown: bool,
}

const FORMAT: &str = "univip files 1";

impl Cache {
    /// The cache in `directory` of the files below `root`, a true path; empty where there is none.
    pub fn open(directory: &Path, root: PathBuf) -> Self {
        // A killed process's leftover that cannot be removed is in nobody's way.
        let _ = remove_abandoned(directory);
        let digest = hexadecimal(&Sha256::digest(root.as_os_str().as_encoded_bytes())[..8]);
        let file = directory.join(format!("files-{digest}.txt"));
        let text = fs::read_to_string(&file).unwrap_or_default();
        let looks = parse(&text, &first_line(&root)).unwrap_or_default();
        Self { file, root, looks, grown: false }
    }

    /// The last look at `file`, a path from the root, if it then had that stamp.
    pub fn get(&self, file: &str, stamp: Stamp) -> Option<Look> {
        self.looks.get(file).copied().filter(|look| look.stamp == Some(stamp))
    }

    /// Keeps what a file holds, if it is still sure to hold it when its stamp is the same.
    pub fn put(&mut self, file: &str, look: Look) {
        let sure = look.content != Content::Unreadable && look.stamp.is_some_and(|stamp| !stamp.is_recent());
        if sure && !file.contains(['\n', '\r']) {
            self.looks.insert(file.into(), look);
            self.grown = true;
        }
    }

    /// Writes it, if it has grown.
    pub fn save(&mut self) -> Result<()> {
        if !self.grown {
            return Ok(());
        }
        let mut names: Vec<&String> = self.looks.keys().collect();
        names.sort_unstable();
        let mut text = first_line(&self.root);
        for name in names {
            let Look { stamp: Some(stamp), content, size } = self.looks[name] else { continue };
            let Stamp { bytes, modified, changed } = stamp;
            let Size { width, height } = size.unwrap_or(Size { width: 0, height: 0 });
            writeln!(text, "{bytes} {modified} {changed} {content} {width} {height} {name}")?;
        }
        let digest = hexadecimal(&Sha256::digest(&text));
        writeln!(text, "sha256 {digest}")?;
        if let Some(directory) = self.file.parent() {
            fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
        }
        write_atomic(&self.file, text.as_bytes())?;
        self.grown = false;
        Ok(())
    }
}

fn first_line(root: &Path) -> String {
    format!("{FORMAT} {root:?}\n")
}

/// The lines between the first and the digest; none where the file is damaged or another one.
fn parse(text: &str, first: &str) -> Option<HashMap<String, Look>> {
    let (lines, digest) = text.strip_suffix('\n')?.rsplit_once("\nsha256 ")?;
    let lines = &text[..lines.len() + 1];
    if hexadecimal(&Sha256::digest(lines)) != digest {
        return None;
    }
    lines.strip_prefix(first)?.lines().map(entry).collect()
}

fn entry(line: &str) -> Option<(String, Look)> {
    let mut parts = line.splitn(7, ' ');
    let bytes = parts.next()?.parse().ok()?;
    let modified = parts.next()?.parse().ok()?;
    let changed = parts.next()?.parse().ok()?;
    let content = Content::parse(parts.next()?)?;
    let (width, height) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let name = parts.next()?.to_string();
    let size = (width > 0).then_some(Size { width, height });
    Some((name, Look { stamp: Some(Stamp { bytes, modified, changed }), content, size }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(bytes: u64, modified: i64) -> Look {
        let stamp = Some(Stamp { bytes, modified, changed: 7 });
        Look { stamp, content: Content::Bytes([bytes as u8; 16]), size: Some(Size { width: 3, height: 4 }) }
    }

    #[test]
    fn what_is_saved_comes_back_and_a_damaged_file_does_not() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let root = PathBuf::from("/images of\nmine");
        let mut cache = Cache::open(directory.path(), root.clone());
        let odd = Look { size: None, ..look(2, -5) };
        cache.put("a b/ü.jpg", look(1, 5));
        cache.put("c", odd);
        cache.put("line\nbreak", look(3, 5));
        cache.put("gone", Look { content: Content::Unreadable, ..look(4, 5) });
        cache.put("now", look(5, i64::MAX));
        cache.save()?;
        let again = Cache::open(directory.path(), root.clone());
        assert_eq!(again.looks.len(), 2, "a file that may change unseen, or is none, is read each time");
        assert_eq!(again.get("a b/ü.jpg", look(1, 5).stamp.unwrap()), Some(look(1, 5)));
        assert_eq!(again.get("c", odd.stamp.unwrap()), Some(odd));
        assert_eq!(again.get("c", look(2, -4).stamp.unwrap()), None, "another time");
        let text = fs::read_to_string(&cache.file)?;
        for damaged in
            [text.replace(" 5 ", " 6 "), text[..text.len() - 9].into(), text.replace("mine", "ours")]
        {
            assert_ne!(damaged, text);
            fs::write(&cache.file, damaged)?;
            assert!(Cache::open(directory.path(), root.clone()).looks.is_empty());
        }
        Ok(())
    }
}
