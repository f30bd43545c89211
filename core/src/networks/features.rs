//! What the networks computed for one batch.

pub use crate::views::Needs;

use candle_core::Tensor;

/// The networks' outputs for one batch of B images with K instances each; D is the projector's
/// output size. Target features carry no gradient.
#[derive(Debug, Clone)]
pub struct Features {
    /// f_o1 and f_o2: the predictor's outputs for the scene views. `[B, D]` each.
    pub online_scenes: [Tensor; 2],
    /// f_t1 and f_t2: the target projector's outputs for the scene views. `[B, D]` each.
    pub target_scenes: [Tensor; 2],
    /// o_k: the predictor's outputs for the instances. `[B, K, D]`.
    pub online_instances: Option<Tensor>,
    /// t_k: the target projector's outputs for the instances. `[B, K, D]`.
    pub target_instances: Option<Tensor>,
}
