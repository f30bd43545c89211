//! JSON files as Python's `json` writes and reads them: with `NaN`, `Infinity` and `-Infinity`, which are no JSON.

use crate::text_file::{self, TextFileError};
use serde::de::DeserializeOwned;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// A file that a value cannot be read from.
#[derive(Debug, thiserror::Error)]
pub enum JsonFileError {
    /// It is no text.
    #[error(transparent)]
    Text(#[from] TextFileError),
    /// It is not JSON, or not the value that was expected.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// Reads a value from a file. Keys that the value has no use for may be anything that Python reads.
///
/// # Errors
/// When the file is none of text ([`text_file::open`]), or not what was expected.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, JsonFileError> {
    let text = text_file::read(path)?;
    if text.is_empty() {
        return Err(TextFileError::empty(path).into());
    }
    or_tolerantly(path, serde_json::from_str(&text))
}

/// As [`read`], without the whole text in memory, which takes up to twice the time.
pub fn stream<T: DeserializeOwned>(path: &Path) -> Result<T, JsonFileError> {
    or_tolerantly(path, serde_json::from_reader(text_file::open(path)?))
}

/// Nearly every file is JSON, and is read at the speed of JSON.
fn or_tolerantly<T: DeserializeOwned>(path: &Path, read: serde_json::Result<T>) -> Result<T, JsonFileError> {
    match read {
        Err(error) if error.is_syntax() => Ok(serde_json::from_reader(tolerant(path)?)?),
        read => Ok(read?),
    }
}

/// The text of a file with its numbers that are none as strings, `"NaN"`, which no number is read from.
///
/// # Errors
/// As [`text_file::open`].
pub fn tolerant(path: &Path) -> Result<impl BufRead + use<>, TextFileError> {
    let text = text_file::open(path)?;
    let quoting = Quoting { text, in_string: false, escaped: false, word: Vec::new(), ready: Vec::new() };
    Ok(BufReader::with_capacity(1 << 20, quoting))
}

/// The longest of the words that are quoted; a longer one is passed on in parts.
const LONGEST: usize = "-Infinity".len();

struct Quoting<R> {
    text: R,
    in_string: bool,
    escaped: bool,
    /// The number or name, outside of strings, that is being read.
    word: Vec<u8>,
    ready: Vec<u8>,
}

impl<R: BufRead> Read for Quoting<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        while self.ready.is_empty() {
            let read = self.text.fill_buf()?.to_vec();
            self.text.consume(read.len());
            if read.is_empty() {
                self.end_word();
                break;
            }
            read.into_iter().for_each(|byte| self.take(byte));
        }
        let count = out.len().min(self.ready.len());
        out[..count].copy_from_slice(&self.ready[..count]);
        self.ready.drain(..count);
        Ok(count)
    }
}

impl<R> Quoting<R> {
    fn take(&mut self, byte: u8) {
        if !self.in_string && (byte.is_ascii_alphabetic() || byte == b'-') && self.word.len() <= LONGEST {
            return self.word.push(byte);
        }
        self.end_word();
        match byte {
            b'"' if !self.escaped => self.in_string = !self.in_string,
            _ => {}
        }
        self.escaped = self.in_string && byte == b'\\' && !self.escaped;
        self.ready.push(byte);
    }

    fn end_word(&mut self) {
        let quote: &[u8] = match &self.word[..] {
            b"NaN" | b"Infinity" | b"-Infinity" => b"\"",
            _ => b"",
        };
        self.ready.extend_from_slice(quote);
        self.ready.append(&mut self.word);
        self.ready.extend_from_slice(quote);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn what_python_writes_for_no_number_is_a_string() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.json");
        let read = |text: &str| -> Result<Value, JsonFileError> {
            std::fs::write(&path, text).unwrap();
            let (whole, streamed) = (read::<Value>(&path), stream::<Value>(&path));
            assert_eq!(whole.as_ref().ok(), streamed.as_ref().ok());
            whole
        };
        for (text, expected) in [
            (r#"{"a": NaN}"#, json!({ "a": "NaN" })),
            (
                "[NaN,-Infinity, Infinity,1e-5,-2,true,null]",
                json!(["NaN", "-Infinity", "Infinity", 1e-5, -2, true, null]),
            ),
            (r#"[NaN, "a NaN \" NaN, \\", NaN]"#, json!(["NaN", "a NaN \" NaN, \\", "NaN"])),
            ("NaN", json!("NaN")),
            (r#"["NaN", "\ud83d\ude00 犬", NaN]"#, json!(["NaN", "😀 犬", "NaN"])),
        ] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
        for text in ["[Nan]", "[-NaN]", "[InfinityInfinity]", "[NaN", "[+NaN]", "{NaN: 1"] {
            assert!(read(text).is_err(), "{text}");
        }
        let long = format!("[{}, NaN]", "[1.5, -2, \"x\"], ".repeat(300_000) + "0");
        assert_eq!(read(&long).unwrap().as_array().unwrap().len(), 300_002, "over many buffers");
    }
}
