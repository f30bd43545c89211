//! The engine of univip: what a plugin author implements and what runs a recipe.
//!
//! `core` names no plugin, prints nothing and draws nothing: it emits [`event::Event`]s.

pub mod augment;
pub mod checkpoint;
pub mod dataset;
pub mod diagnostics;
pub mod engine;
pub mod error;
pub mod evaluate;
pub mod event;
pub mod features;
pub mod image_file;
pub mod loader;
pub mod loss;
pub mod networks;
pub mod online_probe;
pub mod proposals;
pub mod recipe;
pub mod registry;
pub mod similarity;
pub mod step;
pub mod target;
pub mod transport;
pub mod views;

pub use univip_nn as nn;
pub use univip_nn::{backbone_file, optim};
pub use univip_stdx::{digest, files, pool, seed, tally, vectorised};
pub use univip_vision::{corners, geometry, metrics, whole_pixels};

#[doc(hidden)]
pub use inventory;
