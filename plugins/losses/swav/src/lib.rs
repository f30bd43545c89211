//! SwAV (Caron et al. 2020): views that predict each other's assignment to prototypes, and the views that it learns from.

mod multi_crop;
mod settings;
mod sinkhorn;
mod swapped;

pub use multi_crop::{MultiCrop, MultiCropSettings};
pub use settings::Settings;
pub use sinkhorn::Sinkhorn;
pub use swapped::Swav;

univip_core::register_loss!("swav", Swav, "Views that predict each other's assignment to prototypes (SwAV)");
univip_core::register_views!("multi-crop", MultiCrop, "few large and many small random resized crops (SwAV)");
