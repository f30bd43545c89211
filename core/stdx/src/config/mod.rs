//! Checked settings: a table of a recipe, read into a struct, whose errors name the file and the key.

mod problem;
mod ranges;
mod table;

pub use problem::{inside, origin};
pub use ranges::{at_least, at_most, distinct, is_plain, not_negative, ordered, positive, require, within};
pub use table::Table;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The settings of a plugin or of a part of the engine.
///
/// Put `#[serde(deny_unknown_fields, default)]` on it, so that a misspelt key is refused and an absent
/// one takes its default. Avoid serde's `flatten` and tagged enums: errors inside them lose their key.
pub trait Config: Serialize + DeserializeOwned {
    /// The keys that say where something lies, and nothing of what it is: paths of data. They are shown with a recipe but are
    /// no part of its fingerprint, so that data that was moved, or is spelt otherwise, is the same data; whether it is, is
    /// for whoever opens it to tell. Their values are text, whatever they look like.
    const PLACES: &'static [&'static str] = &[];

    /// Fills in defaults that depend on other values. It comes before the check, and what it fills in is shown as any value.
    #[must_use]
    fn completed(self) -> Self {
        self
    }

    /// Refuses values that serde cannot: out of range, or contradicting each other.
    fn check(&self) -> Result<(), Invalid> {
        Ok(())
    }
}

/// A value that is out of range; the recipe adds the file it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Invalid {
    /// The key inside the table, dotted.
    pub key: &'static str,
    /// The problem, and the expected value.
    pub problem: String,
}

/// A recipe, a command-line setting or a plugin name that cannot be used as written.
#[derive(Debug, thiserror::Error)]
#[error("{origin}: `{key}`: {problem}")]
pub struct RecipeError {
    /// The file, environment variable or flag that said it.
    pub origin: String,
    /// The dotted key.
    pub key: String,
    /// The problem, the expected value, and what to do.
    pub problem: String,
}
