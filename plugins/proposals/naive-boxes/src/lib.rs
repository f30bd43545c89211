//! Proposals naive: random boxes inside the overlap. Section 3.2, A.2.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use univip_core::dataset::Dataset;
use univip_core::error::ImageError;
use univip_core::geometry::BoundingBox;
use univip_core::proposals::ProposalSource;
use univip_core::registry::ProposalPlugin;

univip_core::register_proposals!("naive", NaiveBoxes, "no proposals: the view sampler draws random boxes");

/// Proposes nothing. Where the overlap lies is known only when the views are drawn, so that every
/// instance is then a naive box of the view sampler.
pub struct NaiveBoxes;

/// `[proposal.naive]`: nothing to choose.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {}

impl univip_core::recipe::Config for Config {}

impl ProposalPlugin for NaiveBoxes {
    type Config = Config;

    fn build(_config: Config) -> Result<Self> {
        Ok(Self)
    }
}

impl ProposalSource for NaiveBoxes {
    fn propose(&self, _dataset: &dyn Dataset, _index: usize) -> Result<Vec<BoundingBox>, ImageError> {
        Ok(Vec::new())
    }
}
