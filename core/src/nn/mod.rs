//! Networks: parameters, layers, ResNet, heads. Activations are channels-last: `[B, H, W, C]`.

pub mod resnet;
pub mod store;

pub use resnet::Backbone;
pub use store::{Init, Parameters, Scope};

/// Which statistics batch norm uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The batch's own statistics; running statistics are updated. The input holds `groups` views one
    /// after another along the batch axis, each normalised by itself, as if each had its own forward pass.
    Train {
        /// The number of views.
        groups: usize,
    },
    /// Running statistics.
    Eval,
}
