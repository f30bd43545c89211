//! The statistics of a batch.

use candle_core::Tensor;

/// The statistics of a batch: `[groups, C]` each, without a graph.
#[derive(Debug, Clone)]
pub struct BatchStatistics {
    /// The mean of each channel in each group.
    pub mean: Tensor,
    /// The biased variance.
    pub variance: Tensor,
    /// Values of a channel in a group that they are of: with a synchroniser, of the whole batch.
    pub count: usize,
}
