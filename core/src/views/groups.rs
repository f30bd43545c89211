//! Named groups of views: how many, of what size, augmented how.

use serde::{Deserialize, Serialize};

/// The most views of a group: each has a place in every plan and a forward pass in every step.
pub const MOST_VIEWS: u64 = 1024;

/// A group of views that share size and batch norm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Losses ask for the group by this name.
    pub name: String,
    /// One view for each entry, which is the name of its augmentation: `view1` is `[augment.view1]`.
    pub augment: Vec<String>,
    /// The side of the canvas in pixels.
    pub size: u32,
    /// Over which views batch norm takes its statistics.
    pub batch_norm: ViewBatchNorm,
    /// The group whose pixels these views share. None: they are rendered on their own.
    pub pixels_of: Option<String>,
}

impl Group {
    /// A group with a view of `size` pixels for each of the augmentations, each view normalised by its own statistics.
    pub fn new(name: &str, augment: &[String], size: u32) -> Self {
        let (name, augment) = (name.to_string(), augment.to_vec());
        Self { name, augment, size, batch_norm: ViewBatchNorm::Each, pixels_of: None }
    }

    /// The number of views.
    pub fn views(&self) -> usize {
        self.augment.len()
    }

    /// The number of batches that batch norm sees in the group's views.
    pub fn norm_groups(&self) -> usize {
        match self.batch_norm {
            ViewBatchNorm::Each => self.views(),
            ViewBatchNorm::Together => 1,
        }
    }
}

/// The views over which batch norm takes its statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ViewBatchNorm {
    /// The k-th views of the batch's images.
    Each,
    /// All views of the group.
    Together,
}
