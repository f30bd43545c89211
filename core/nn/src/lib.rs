//! Networks: parameters, layers, heads, and the trait of backbones. Activations are channels-last: `[B, H, W, C]`.

pub mod backbone;
pub mod backbone_file;
pub mod batch_norm;
pub mod conv;
pub mod convolution;
pub mod cross_entropy;
pub mod frozen;
pub mod heads;
pub mod layout;
pub mod linear;
pub mod ops;
pub mod optim;
pub mod participant;
pub mod pyramid;
pub mod roi_align;
pub mod sealed_tensors;
pub mod store;
pub mod synchronise;

pub use backbone::{Backbone, BackbonePlan};
pub use batch_norm::BatchNorm;
pub use conv::Conv2d;
pub use frozen::FrozenBackbone;
pub use heads::{Mlp, MlpShape, OutputNorm};
pub use linear::Linear;
pub use participant::Participant;
pub use store::{Init, Parameters, Role, Scope};
pub use synchronise::{Synchronise, Synchroniser};

/// The statistics that batch norm uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The batch's own statistics; running statistics are updated. The input holds `groups` views one
    /// after another along the batch axis, each normalised by itself, as if each had its own forward pass.
    Train {
        /// The number of views.
        groups: usize,
    },
    /// As [`Train`](Self::Train), and running statistics stay as they are.
    Aside {
        /// The number of views.
        groups: usize,
    },
    /// Running statistics.
    Eval,
}
