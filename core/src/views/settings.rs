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
    /// K, the instances per image.
    pub instances: usize,
    /// Limits of a scene view's random crop.
    pub crop: CropLimits,
    /// Two augmentations of a crop for o_k and t_k, or the same one for both; the paper leaves it open.
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

/// The pixels of an instance for the online and the target network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceAugmentation {
    /// o_k with view 1's probabilities, t_k with view 2's, drawn independently.
    Independent,
    /// One rendering, with view 1's probabilities, for both.
    Shared,
}
