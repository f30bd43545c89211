//! Images: datasets and their splits, and files of images.

pub mod below;
mod content;
pub mod dataset;
pub mod identity;
pub mod image_file;
mod settings;
mod stamp;
mod tiff;
pub mod unread;

pub use settings::{BrokenImage, DataChoice};
