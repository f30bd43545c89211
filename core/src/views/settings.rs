//! `[views]` of a recipe.

use super::{CropLimits, MOST_VIEWS, area_share};
use crate::nn::backbone::image_side;
use serde::{Deserialize, Serialize};
use univip_stdx::config::{Config, Invalid, at_most, ordered};

/// `[views]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ViewSettings {
    /// A view sampler; its parameters are in `[view.<name>]`.
    #[serde(rename = "use")]
    pub name: String,
    /// The side of a scene view as the networks see it, in pixels.
    pub scene_size: u32,
    /// The side of an instance as the networks see it, in pixels.
    pub instance_size: u32,
    /// K, the instances an image.
    pub instances: usize,
    /// How a scene view is cropped.
    pub crop: CropLimits,
    /// Whether o_k and t_k see two augmentations of a crop or the same one; the paper leaves it open.
    pub instance_augmentation: InstanceAugmentation,
}

impl Default for ViewSettings {
    fn default() -> Self {
        Self {
            name: "overlap".into(),
            scene_size: 224,
            instance_size: 96,
            instances: 4,
            crop: CropLimits::default(),
            instance_augmentation: InstanceAugmentation::Independent,
        }
    }
}

impl Config for ViewSettings {
    fn check(&self) -> Result<(), Invalid> {
        image_side("scene_size", self.scene_size)?;
        image_side("instance_size", self.instance_size)?;
        at_most("instances", self.instances as u64, MOST_VIEWS)?;
        area_share("crop.scale", self.crop.scale)?;
        ordered("crop.ratio", self.crop.ratio)
    }
}

/// Whether the online and the target network see the same pixels of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceAugmentation {
    /// o_k with view 1's probabilities, t_k with view 2's, drawn apart.
    Independent,
    /// One rendering, with view 1's probabilities, for both.
    Shared,
}
