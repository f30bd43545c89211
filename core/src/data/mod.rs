//! Images: datasets and their splits, and files of images.

pub mod below;
pub mod dataset;
pub mod image_file;
mod settings;

pub use settings::{BrokenImage, DataChoice};
