//! Images: datasets and their splits, and files of images.

pub mod below;
mod content;
pub mod dataset;
pub mod identity;
pub mod image_file;
mod settings;
pub mod skipped;
mod stamp;
mod tiff;

pub use settings::{BrokenImage, DataChoice};
