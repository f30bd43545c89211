//! `[train]` of a recipe.

use serde::{Deserialize, Serialize};
use univip_stdx::config::{Config, Invalid, at_least, at_most, require};

/// `[train]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSettings {
    /// Epochs. 0 leaves the backbone as initialised.
    pub epochs: u64,
    /// Images a forward pass.
    pub batch: usize,
    /// Forward passes an optimiser step.
    pub accumulate: usize,
    /// Optimiser steps between two checkpoints; 0 is once an epoch.
    pub checkpoint_every: u64,
    /// Checkpoints kept.
    pub keep: usize,
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self { epochs: 800, batch: 512, accumulate: 1, checkpoint_every: 0, keep: 2 }
    }
}

impl Config for TrainSettings {
    fn check(&self) -> Result<(), Invalid> {
        require(self.batch >= 2, "batch", || {
            format!("expected at least 2 images, for batch norm's statistics, found {}", self.batch)
        })?;
        at_least("accumulate", self.accumulate as u64, 1)?;
        at_most("batch", self.batch as u64, 1 << 20)?;
        at_most("accumulate", self.accumulate as u64, 1 << 20)?;
        at_most("epochs", self.epochs, 1 << 20)?;
        at_least("keep", self.keep as u64, 1)
    }
}
