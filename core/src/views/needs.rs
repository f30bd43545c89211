//! What losses may ask for, and so which views are drawn at all.

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
