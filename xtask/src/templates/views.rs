//! View sampler `my-plugin`: both scene views are the same random crop, a place to start from.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use univip_core::geometry::BoundingBox;
use univip_core::proposals::fill_with_naive_boxes;
use univip_core::recipe::Config;
use univip_core::register_views;
use univip_core::registry::ViewPlugin;
use univip_core::seed::Stream;
use univip_core::views::{Group, Subject, ViewContext, ViewPlan, ViewSampler};

register_views!("my-plugin", MyPlugin, "describe it in one line");

/// The sampler.
pub struct MyPlugin {
    context: ViewContext,
}

/// `[view.my-plugin]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {}

impl Config for Settings {}

impl ViewPlugin for MyPlugin {
    type Config = Settings;

    fn build(_config: Settings, context: ViewContext) -> Result<Self> {
        Ok(Self { context })
    }
}

impl ViewSampler for MyPlugin {
    fn groups(&self) -> Vec<Group> {
        self.context.scenes_and_instances()
    }

    fn sample(&self, subject: &Subject<'_>, stream: &mut Stream) -> Result<ViewPlan> {
        let ViewContext { views, limits, .. } = &self.context;
        let scene = views.crop.sample(subject.size, stream);
        let inside = subject.boxes.iter().filter(|each| scene.contains(each));
        let mut instances: Vec<BoundingBox> = inside.take(views.instances).copied().collect();
        let from_proposals = instances.len();
        fill_with_naive_boxes(&mut instances, views.instances, scene, limits, stream);
        Ok(ViewPlan::of_scenes_and_instances([scene, scene], instances, from_proposals))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use univip_core::geometry::Size;
    use univip_core::proposals::BoxLimits;
    use univip_core::seed::stream;
    use univip_core::recipe::ViewSettings;
    use univip_core::views::{INSTANCE, SCENE, ViewBatchNorm};

    #[test]
    fn every_crop_lies_inside_the_image_and_there_are_k_instances() -> Result<()> {
        let views = ViewSettings { instances: 3, ..ViewSettings::default() };
        let (limits, instance_batch_norm) = (BoxLimits::default(), ViewBatchNorm::Each);
        let sampler = MyPlugin { context: ViewContext { views, limits, instance_batch_norm } };
        for (width, height) in [(1, 1), (50, 300), (640, 480)] {
            let size = Size { width, height };
            let plan = sampler.sample(&Subject { index: 0, size, boxes: &[] }, &mut stream(0, "test", &[]))?;
            let (scenes, instances) = (plan.crops(SCENE), plan.crops(INSTANCE));
            let inside = |crop: &BoundingBox| BoundingBox::whole(size).contains(crop);
            assert!(scenes.iter().chain(&instances).all(inside));
            assert_eq!((scenes.len(), instances.len()), (2, 3));
        }
        Ok(())
    }
}
