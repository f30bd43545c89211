//! UniVIP's groups of views: two scene views and K instances, each instance for the online and for the target network.

use super::{Group, InstanceAugmentation, View, ViewBatchNorm, ViewPlan, ViewSettings};
use crate::geometry::BoundingBox;
use crate::proposals::BoxLimits;

/// The group of an image's scene views.
pub const SCENE: &str = "scene";
/// The group of an image's instances, as the online network sees them.
pub const INSTANCE: &str = "instance";
/// The group of the same instances, as the target network sees them.
pub const INSTANCE_TARGET: &str = "instance-target";

/// The inputs of a view sampler's builder, besides its own table of the recipe.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewContext {
    /// `[views]`: sizes, crops, K.
    pub views: ViewSettings,
    /// The limits for naive boxes.
    pub limits: BoxLimits,
    /// Over which instances batch norm takes its statistics.
    pub instance_batch_norm: ViewBatchNorm,
}

impl ViewContext {
    /// UniVIP's groups: [`SCENE`] and, for K above 0, [`INSTANCE`] and [`INSTANCE_TARGET`], whose views are the same K boxes
    /// rendered apart or once, as `views.instance_augmentation` says.
    pub fn scenes_and_instances(&self) -> Vec<Group> {
        let ViewSettings { scene_size, instance_size, instances, .. } = self.views;
        let scenes = Group::new(SCENE, &["view1".into(), "view2".into()], scene_size);
        if instances == 0 {
            return vec![scenes];
        }
        let group = |name, augmentation: &str| {
            let group = Group::new(name, &vec![augmentation.to_string(); instances], instance_size);
            Group { batch_norm: self.instance_batch_norm, ..group }
        };
        let shared = self.views.instance_augmentation == InstanceAugmentation::Shared;
        let pixels_of = shared.then(|| INSTANCE.to_string());
        let target = Group { pixels_of, ..group(INSTANCE_TARGET, "view2") };
        vec![scenes, group(INSTANCE, "view1"), target]
    }
}

impl ViewPlan {
    /// A plan of [`ViewContext::scenes_and_instances`]: two crops and K instances, the first `from_proposals` of which are
    /// proposals.
    pub fn of_scenes_and_instances(
        scenes: [BoundingBox; 2],
        instances: Vec<BoundingBox>,
        from_proposals: usize,
    ) -> Self {
        let mut plan = Self::default();
        plan.groups.insert(SCENE.into(), scenes.map(View::crop).into());
        if instances.is_empty() {
            return plan;
        }
        let naive = instances.len().saturating_sub(from_proposals) as f32 / instances.len() as f32;
        plan.diagnostics.push(("naive", naive));
        let views: Vec<View> = instances.into_iter().map(View::crop).collect();
        plan.groups.insert(INSTANCE_TARGET.into(), views.clone());
        plan.groups.insert(INSTANCE.into(), views);
        plan
    }
}
