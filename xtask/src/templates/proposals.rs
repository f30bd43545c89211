//! Proposals `my-plugin`: a grid of boxes, a place to start from.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use univip_core::dataset::Dataset;
use univip_core::error::ImageError;
use univip_core::geometry::{BoundingBox, Size};
use univip_core::proposals::ProposalSource;
use univip_core::recipe::{Config, Invalid};
use univip_core::register_proposals;
use univip_core::registry::ProposalPlugin;

register_proposals!("my-plugin", MyPlugin, "describe it in one line");

/// The source.
pub struct MyPlugin {
    config: Settings,
}

/// `[proposal.my-plugin]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Boxes along each side of the image.
    pub cells: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { cells: 2 }
    }
}

impl Config for Settings {
    fn check(&self) -> Result<(), Invalid> {
        if self.cells >= 1 {
            return Ok(());
        }
        Err(Invalid { key: "cells", problem: "0 cells give no box: set it to 1 or more".into() })
    }
}

impl ProposalPlugin for MyPlugin {
    type Config = Settings;

    fn build(config: Settings) -> Result<Self> {
        Ok(Self { config })
    }
}

impl ProposalSource for MyPlugin {
    fn propose(&self, dataset: &dyn Dataset, index: usize) -> Result<Vec<BoundingBox>, ImageError> {
        Ok(grid(dataset.size(index)?, self.config.cells))
    }
}

/// The cells of a grid that fit the image; none when it has fewer pixels than cells along a side.
fn grid(size: Size, cells: u32) -> Vec<BoundingBox> {
    let (width, height) = (size.width / cells, size.height / cells);
    if width == 0 || height == 0 {
        return Vec::new();
    }
    let places = (0..cells).flat_map(|row| (0..cells).map(move |column| (column, row)));
    places.map(|(column, row)| BoundingBox::new(column * width, row * height, width, height)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_lie_inside_the_image() {
        for (width, height) in [(1, 1), (7, 3), (640, 480)] {
            let size = Size { width, height };
            let boxes = grid(size, 2);
            assert!(boxes.iter().all(|each| BoundingBox::whole(size).contains(each)));
            assert_eq!(boxes.len(), if width > 1 { 4 } else { 0 });
        }
    }
}
