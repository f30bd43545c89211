//! Work on stored boxes: names of images, imports, charts.

mod import;
mod names;
mod picture;

pub use import::{Imported, import_boxes};
pub use names::Names;
pub use picture::{Panel, picture};
