//! What all R-CNNs have in common.

use crate::convention::Convention;
use crate::proposals::ProposalLimits;

/// The size of what is behind the backbone, and how it learns.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// Classes, without the background.
    pub classes: usize,
    /// Channels of the mask head; none without one.
    pub masks: Option<usize>,
    /// Whether batch norm takes the batch's statistics in the backbone, and stands behind layers of the neck and of the
    /// heads. Without it the backbone keeps its running statistics.
    pub norm: bool,
    /// Proposals in training and in measurement.
    pub proposals: [ProposalLimits; 2],
    /// Anchors an image that the proposal network is trained on.
    pub sampled_anchors: usize,
    /// Regions an image that the heads are trained on.
    pub sampled_regions: usize,
    /// The largest share of objects among them; a quarter as published.
    pub objects: f32,
    /// Whose details it has.
    pub convention: Convention,
}
