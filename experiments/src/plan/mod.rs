//! What an ablation will run.

mod ablation;
mod changed;
mod estimate;
mod file;
mod library;

pub(crate) use ablation::usage;
pub use ablation::{Plan, PlannedRun};
pub use library::Library;
pub(crate) use library::flatten;
