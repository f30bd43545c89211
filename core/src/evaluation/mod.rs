//! Measurements of a backbone: the trait of evaluators, a classifier beside the training, the effective rank.

pub mod canvas;
pub mod diagnostics;
pub mod evaluate;
mod features;
pub mod online_probe;
mod settings;

pub use settings::{EvaluatorSettings, ProbeDataChoice};
