//! JSON lines, as a killed writer may have left them.

use serde::de::DeserializeOwned;
use std::fmt;

/// The contents of a file of JSON lines.
#[derive(Debug)]
pub struct Lines<T> {
    /// One item per line.
    pub items: Vec<T>,
    /// The bytes of the file that the items take; the rest is a last line that was cut short.
    pub bytes: usize,
    /// True when the last line was cut short, and left out: its writer was killed.
    pub cut: bool,
}

/// A line that is none of this format.
#[derive(Debug)]
pub struct BadLine {
    /// Counted from 1.
    pub number: usize,
    /// The reason.
    pub error: serde_json::Error,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: not a line that univip writes; mend or remove it: {}", self.number, self.error)
    }
}

impl std::error::Error for BadLine {}

/// Parses a file of JSON lines. Empty lines are skipped, and so is a last line that has no line break and is no JSON.
///
/// # Errors
/// Naming the first other line that is malformed.
pub fn parse_lines<T: DeserializeOwned>(file: &[u8]) -> Result<Lines<T>, BadLine> {
    let whole = file.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let mut items = Vec::new();
    for (index, line) in file[..whole].split(|&byte| byte == b'\n').enumerate() {
        if !line.trim_ascii().is_empty() {
            let item = serde_json::from_slice(line);
            items.push(item.map_err(|error| BadLine { number: index + 1, error })?);
        }
    }
    let rest = file[whole..].trim_ascii();
    if rest.is_empty() {
        return Ok(Lines { items, bytes: whole, cut: false });
    }
    match serde_json::from_slice(rest) {
        Ok(item) => {
            items.push(item);
            Ok(Lines { items, bytes: file.len(), cut: false })
        }
        Err(_) => Ok(Lines { items, bytes: whole, cut: true }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_line_counts_if_it_is_whole() {
        for (file, items, bytes, cut) in [
            ("", vec![], 0, false),
            ("1\n\n2\n", vec![1, 2], 5, false),
            ("1\n2", vec![1, 2], 3, false),
            ("1\n{\"a", vec![1], 2, true),
            ("{", vec![], 0, true),
        ] {
            let lines = parse_lines::<u32>(file.as_bytes()).unwrap();
            assert_eq!((lines.items, lines.bytes, lines.cut), (items, bytes, cut), "{file:?}");
        }
        let error = parse_lines::<u32>(b"1\nx\n2\n").unwrap_err();
        assert!(error.to_string().starts_with("line 2: not a line that univip writes"), "{error}");
    }
}
