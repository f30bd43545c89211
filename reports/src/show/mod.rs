//! Text, pages and pictures.

pub mod bench;
pub mod differences;
pub mod escape;
pub mod files;
pub mod page;
pub mod plot;
pub mod text;
pub mod view;
