//! The engine of univip: what a plugin author implements and what runs a recipe.
//!
//! A folder is a concept, in the order of the data: [`data`] -> [`proposals`] -> [`views`] -> [`networks`] -> [`losses`] ->
//! [`evaluation`] -> [`training`]; [`recipe`] lists the settings of each,
//! and [`assemble`] makes the parts that a recipe names. The crates below (`univip-nn`, `univip-vision`,
//! `univip-stdx`) know no recipe; what a plugin needs of them is passed on here.
//!
//! `core` names no plugin, prints nothing and draws nothing: it emits [`event::Event`]s.

pub mod assemble;
pub mod data;
pub mod error;
pub mod evaluation;
pub mod losses;
pub mod networks;
pub mod proposals;
pub mod recipe;
pub mod registry;
pub mod training;
pub mod views;

pub use data::{below, dataset, identity, image_file, unread};
pub use evaluation::{canvas, diagnostics, evaluate, online_probe};
pub use losses::{contrast, loss, memory, similarity, transport};
pub use networks::{features, heads, target};
pub use training::{checkpoint, event, step, trainer};
pub use univip_nn as nn;
pub use univip_nn::{backbone_file, optim, sealed_tensors};
pub use univip_stdx::{
    config, digest, files, json_file, pool, printable, seed, tally, text_file, vectorised,
};
pub use univip_vision::{corners, geometry, metrics, whole_pixels};
pub use views::{augment, batch, loader};

#[doc(hidden)]
pub use inventory;
