//! From an image and its boxes to the pixels that the networks see: which parts of it, how they are augmented, and
//! batches of them.

pub mod augment;
pub mod loader;
mod loader_settings;
mod needs;
mod plan;
mod settings;

pub use loader_settings::LoaderSettings;
pub use needs::Needs;
pub use plan::{CropLimits, ViewContext, ViewPlan, ViewSampler};
pub use settings::{InstanceAugmentation, ViewSettings};
