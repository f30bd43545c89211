//! Text, pages and pictures.

pub(crate) mod below;
pub mod bench;
pub mod differences;
pub mod escape;
pub(crate) mod files;
pub mod frames;
pub mod gains;
pub mod latex;
pub mod page;
mod paired;
pub mod plot;
mod runs;
pub mod sweep;
pub mod text;
pub mod view;
