//! The lines of a file from its last one on: the end of a long file is read without its beginning.

use anyhow::{Context, Result};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// An iterator over the lines of a file, the last one first.
pub struct LinesBackward {
    path: PathBuf,
    file: File,
    /// The end of the part that is not read yet.
    unread: u64,
    /// The bytes after it that are not handed out yet.
    rest: Vec<u8>,
}

/// A line and where it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// The byte that it begins at.
    pub start: u64,
    /// Its bytes, with the line break; a last line that was cut short has none.
    pub bytes: Vec<u8>,
}

/// The bytes that are read at once, at least.
const CHUNK: usize = 64 << 10;

impl LinesBackward {
    /// Begins at the end of `file`, which is the one at `path`.
    ///
    /// # Errors
    /// When its length cannot be found out.
    pub fn new(path: &Path, file: File) -> Result<Self> {
        let unread = file.metadata().with_context(|| reading(path))?.len();
        Ok(Self { path: path.to_path_buf(), file, unread, rest: Vec::new() })
    }

    fn read_more(&mut self) -> Result<()> {
        // As much again as is there: a line of any length is copied a few times only.
        let length = self.unread.min(CHUNK.max(self.rest.len()) as u64);
        self.unread -= length;
        let mut bytes = vec![0; length as usize];
        let read =
            self.file.seek(SeekFrom::Start(self.unread)).and_then(|_| self.file.read_exact(&mut bytes));
        read.with_context(|| reading(&self.path))?;
        bytes.append(&mut self.rest);
        self.rest = bytes;
        Ok(())
    }
}

fn reading(path: &Path) -> String {
    format!("reading {}", path.display())
}

impl Iterator for LinesBackward {
    type Item = Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let before_last = self.rest.len().saturating_sub(1);
            let break_at = self.rest[..before_last].iter().rposition(|byte| *byte == b'\n');
            let start = match break_at {
                Some(at) => at + 1,
                None if self.unread == 0 => 0,
                None => match self.read_more() {
                    Ok(()) => continue,
                    Err(error) => {
                        self.unread = 0;
                        self.rest.clear();
                        return Some(Err(error));
                    }
                },
            };
            let bytes = self.rest.split_off(start);
            let line = Line { start: self.unread + start as u64, bytes };
            return (!line.bytes.is_empty()).then_some(Ok(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_from_the_front_whatever_their_length() -> Result<()> {
        let long = "x".repeat(3 * CHUNK);
        for text in
            ["", "\n", "a", "a\n", "a\nb", "\n\na\n", &format!("a\n{long}\nb\n{long}"), &"ab\n".repeat(CHUNK)]
        {
            let directory = tempfile::tempdir()?;
            let path = directory.path().join("lines");
            std::fs::write(&path, text)?;
            let lines = LinesBackward::new(&path, File::open(&path)?)?;
            let mut found = lines.collect::<Result<Vec<Line>>>()?;
            found.reverse();
            let mut start = 0;
            let expected = text.split_inclusive('\n').map(|line| {
                start += line.len() as u64;
                Line { start: start - line.len() as u64, bytes: line.into() }
            });
            assert!(found == expected.collect::<Vec<_>>(), "{} bytes", text.len());
        }
        Ok(())
    }
}
