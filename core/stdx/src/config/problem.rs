//! figment's errors, reworded so that a person finds the line and mends it.

use crate::refusal::suggest;
use figment::error::{Actual, Kind};
use figment::{Metadata, Source};
use std::path::Path;

/// A value that cannot be read.
pub(super) struct Problem {
    /// The key inside the table, dotted.
    pub key: String,
    /// The layer that said it, if figment knows.
    pub origin: Option<String>,
    pub text: String,
}

/// The error of reading a table.
pub(super) fn explain(error: &figment::Error) -> Problem {
    let text = match &error.kind {
        Kind::UnknownField(name, []) => {
            format!("unknown key `{name}`; no key is known here")
        }
        Kind::UnknownField(name, known) => format!("unknown key; {}", suggest(name, known)),
        Kind::UnknownVariant(name, known) => format!("unknown value `{name}`; {}", suggest(name, known)),
        Kind::MissingField(name) => format!("`{name}` is missing and has no default"),
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            format!("expected {}, found {}", wanted(expected), found(actual))
        }
        Kind::InvalidLength(length, expected) => {
            format!("expected {}, found {length} values", wanted(expected))
        }
        other => other.to_string(),
    };
    let origin = error.metadata.as_ref().map(|metadata| origin(metadata, None));
    Problem { key: error.path.join("."), origin, text }
}

/// A file's path (from `root`, where it is inside), or the name of a variable or a flag.
pub fn origin(metadata: &Metadata, root: Option<&Path>) -> String {
    match &metadata.source {
        Some(Source::File(path)) => match root {
            Some(root) => inside(path, root),
            None => path.display().to_string(),
        },
        _ => metadata.name.to_string(),
    }
}

/// The path from `root`, a true path, where the file is inside it; else as it was given.
pub fn inside(path: &Path, root: &Path) -> String {
    let full = path.canonicalize().unwrap_or_else(|_| path.into());
    match full.strip_prefix(root) {
        Ok(inside) if !root.as_os_str().is_empty() => inside.display().to_string(),
        _ => path.display().to_string(),
    }
}

/// A value as the recipe's author wrote it.
pub(super) fn found(actual: &Actual) -> String {
    match actual {
        Actual::Bool(value) => format!("`{value}`"),
        Actual::Unsigned(value) => format!("`{value}`"),
        Actual::Signed(value) => format!("`{value}`"),
        Actual::Float(value) => format!("`{value:?}`"),
        Actual::Str(value) => format!("the string {value:?}"),
        Actual::Seq => "a list".into(),
        Actual::Map => "a table".into(),
        other => other.to_string(),
    }
}

fn wanted(expected: &str) -> String {
    let text = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0 up",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list",
        "a map" => "a table",
        other if other.starts_with("struct ") => "a table",
        other if other.starts_with("enum ") || other.starts_with("variant ") => "a string",
        other => return other.replace("an array of length", "a list of length"),
    };
    text.into()
}
