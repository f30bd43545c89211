//! The key of stored boxes.

use serde::Serialize;

/// The inputs that stored boxes follow from. Another value of any field is another directory.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoreKey {
    /// The name of the proposal source.
    pub source: String,
    /// The version of its crate.
    pub version: String,
    /// Its resolved table of the recipe.
    pub parameters: serde_json::Value,
    /// [`Dataset::digest`](crate::dataset::Dataset::digest). What the images hold is no part of it, but of the files' names.
    pub dataset: String,
    /// The number of images.
    pub images: usize,
}
