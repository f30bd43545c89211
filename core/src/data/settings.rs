//! `[data]` of a recipe, and the answer to images that cannot be read.

use serde::{Deserialize, Serialize};
use univip_stdx::config::Config;

/// `[data]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataChoice {
    /// A dataset; its parameters are in `[dataset.<name>]`.
    #[serde(rename = "use")]
    pub name: String,
    /// Only the first so many images; 0 is all of them.
    pub limit: usize,
}

impl Default for DataChoice {
    fn default() -> Self {
        Self { name: "fashion-scenes".into(), limit: 0 }
    }
}

impl Config for DataChoice {}

/// The handling of an image that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BrokenImage {
    /// Name it, count it, and put the next readable image in its place.
    Skip,
    /// Stop the run.
    Fail,
}
