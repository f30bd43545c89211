//! From an image and its boxes to the pixels that the networks see: a plan of views, their augmentation, and batches of
//! them.

pub mod augment;
mod batch;
mod crop;
mod groups;
pub mod loader;
pub(crate) mod loader_settings;
mod plan;
mod scenes_and_instances;
pub(crate) mod settings;

pub use batch::{Batch, BatchMaker, EpochOrder, Facts};
pub use crop::{CropLimits, area_share};
pub use groups::{Group, MOST_VIEWS, ViewBatchNorm};
pub(crate) use loader_settings::LoaderSettings;
pub use plan::{Layer, Source, Subject, View, ViewPlan, ViewSampler};
pub use scenes_and_instances::{INSTANCE, INSTANCE_TARGET, SCENE, ViewContext};
pub(crate) use settings::{InstanceAugmentation, ViewSettings};
