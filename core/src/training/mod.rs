//! Pre-training: one step, epochs of them, checkpoints, and what is told of it.

pub mod checkpoint;
pub mod event;
mod settings;
pub mod step;
pub mod trainer;

pub use settings::TrainSettings;
