//! What the networks computed for one batch, and what losses may ask them to compute.

use candle_core::Tensor;

/// What a loss needs the networks to compute beside both scene views; the engine computes the union over all losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// Online predictions of the instances, o_k.
    pub online_instances: bool,
    /// Target projections of the instances, t_k.
    pub target_instances: bool,
}

impl Needs {
    /// What either needs.
    pub fn union(self, other: Self) -> Self {
        Self {
            online_instances: self.online_instances || other.online_instances,
            target_instances: self.target_instances || other.target_instances,
        }
    }

    /// Whether instances must be cropped at all.
    pub fn instances(self) -> bool {
        self.online_instances || self.target_instances
    }
}

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
