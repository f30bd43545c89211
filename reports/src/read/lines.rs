//! JSON lines, as a killed writer may have left them.

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use std::fs;
use std::path::Path;

/// What a file of JSON lines holds.
#[derive(Debug)]
pub struct Lines<T> {
    /// One item a line.
    pub items: Vec<T>,
    /// Whether the last line was cut short, and left out: its writer was killed.
    pub cut: bool,
}

/// Reads a file of JSON lines; none if it does not exist.
///
/// # Errors
/// When it cannot be read, or a line other than an unfinished last one is malformed: names file and line.
pub fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Option<Lines<T>>> {
    if !path.exists() {
        return Ok(None);
    }
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let mut items = Vec::new();
    for (index, line) in bytes[..whole].split(|&byte| byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let item = serde_json::from_slice(line);
        items.push(item.with_context(|| {
            format!("{} line {}: not a line that univip writes; mend or remove it", path.display(), index + 1)
        })?);
    }
    let rest = bytes[whole..].trim_ascii();
    let last = (!rest.is_empty()).then(|| serde_json::from_slice(rest));
    let cut = matches!(last, Some(Err(_)));
    items.extend(last.and_then(Result::ok));
    Ok(Some(Lines { items, cut }))
}
