//! The engine of univip: what a plugin author implements and what runs a recipe.
//!
//! `core` names no plugin, prints nothing and draws nothing: it emits [`event::Event`]s.

pub mod augment;
pub mod backbone_file;
pub mod below;
pub mod canvas;
pub mod checkpoint;
pub mod dataset;
pub mod diagnostics;
pub mod digest;
pub mod engine;
pub mod error;
pub mod evaluate;
pub mod event;
pub mod features;
pub mod files;
pub mod geometry;
pub mod identity;
pub mod image_file;
pub mod json_file;
pub mod loader;
pub mod loss;
pub mod metrics;
pub mod networks;
pub mod nn;
pub mod online_probe;
pub mod optim;
pub mod pool;
pub mod printable;
pub mod proposals;
pub mod recipe;
pub mod registry;
pub mod sealed_tensors;
pub mod seed;
pub mod similarity;
pub mod step;
pub mod tally;
pub mod target;
pub mod text_file;
pub mod transport;
pub mod unread;
pub mod vectorised;
pub mod views;
pub mod whole_pixels;

#[doc(hidden)]
pub use inventory;
