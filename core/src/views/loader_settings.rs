//! `[loader]` of a recipe.

use crate::data::BrokenImage;
use crate::image_file::DEFAULT_MOST_PIXELS;
use serde::{Deserialize, Serialize};
use univip_stdx::config::{Config, Invalid, at_least, at_most};
use univip_stdx::pool::MOST_THREADS;

/// `[loader]`. Threads and batches ahead change no result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoaderSettings {
    /// Threads that prepare batches; 0 is one a core.
    pub workers: usize,
    /// Batches prepared ahead.
    pub ahead: usize,
    /// The handling of an image that cannot be read.
    pub broken: BrokenImage,
    /// The pixels of the largest image that is read; one with more is broken.
    pub max_pixels: u64,
}

impl Default for LoaderSettings {
    fn default() -> Self {
        Self { workers: 0, ahead: 4, broken: BrokenImage::Skip, max_pixels: DEFAULT_MOST_PIXELS }
    }
}

impl Config for LoaderSettings {
    fn check(&self) -> Result<(), Invalid> {
        at_most("workers", self.workers as u64, MOST_THREADS.into())?;
        at_least("ahead", self.ahead as u64, 1)?;
        at_most("ahead", self.ahead as u64, 1024)?;
        at_least("max_pixels", self.max_pixels, 1)
    }
}
