//! Proposals `selective-search`: Uijlings et al., "Selective Search for Object Recognition", IJCV 2013, as
//! OpenCV's `ximgproc` does it.
//!
//! An image is segmented in several colour spaces and at several scales; in each segmentation the most similar
//! neighbours merge until one region is left; the boxes around all regions are the proposals.

mod blur;
mod colour;
mod contraction;
mod edges;
mod features;
mod forest;
mod grouping;
mod parameters;
mod regions;
mod rotate;
mod rounding;
mod search;
mod segmentation;
mod similarity;
mod slopes;
mod texture;

pub use colour::{ColourSpace, Planes};
pub use parameters::{Mode, Parameters, Settings};
pub use search::selective_search;
pub use segmentation::{PixelGraph, Segmentation};
pub use similarity::Measure;

use anyhow::Result;
use univip_core::dataset::Dataset;
use univip_core::error::ImageError;
use univip_core::geometry::BoundingBox;
use univip_core::proposals::ProposalSource;
use univip_core::register_proposals;
use univip_core::registry::ProposalPlugin;

/// Selective search over the images of a dataset.
pub struct SelectiveSearch {
    parameters: Parameters,
}

impl ProposalSource for SelectiveSearch {
    fn propose(&self, dataset: &dyn Dataset, index: usize) -> Result<Vec<BoundingBox>, ImageError> {
        Ok(selective_search(&dataset.image(index)?, &self.parameters))
    }

    fn stored(&self) -> bool {
        true
    }
}

impl ProposalPlugin for SelectiveSearch {
    type Config = Settings;

    fn build(config: Settings) -> Result<Self> {
        Ok(Self { parameters: config.parameters() })
    }
}

register_proposals!(
    "selective-search",
    SelectiveSearch,
    "selective search (Uijlings et al. 2013) as in OpenCV"
);
