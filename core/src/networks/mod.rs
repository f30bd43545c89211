//! The online and the target network, and what they compute.

pub mod features;
mod pair;
mod settings;
pub mod target;

pub use pair::Networks;
pub use settings::{InstanceBatchNorm, NetworkSettings, TargetSettings};
