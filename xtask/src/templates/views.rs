//! View sampler `my-plugin`: both scene views are the same random crop, a place to start from.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use univip_core::geometry::{BoundingBox, Size};
use univip_core::proposals::fill_with_naive_boxes;
use univip_core::recipe::Config;
use univip_core::register_views;
use univip_core::registry::ViewPlugin;
use univip_core::seed::Stream;
use univip_core::views::{ViewContext, ViewPlan, ViewSampler};

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
    fn sample(&self, size: Size, boxes: &[BoundingBox], stream: &mut Stream) -> Result<ViewPlan> {
        let scene = self.context.crop.sample(size, stream);
        let inside = boxes.iter().filter(|each| scene.contains(each));
        let mut instances: Vec<BoundingBox> = inside.take(self.context.instances).copied().collect();
        let from_proposals = instances.len();
        fill_with_naive_boxes(&mut instances, self.context.instances, scene, &self.context.limits, stream);
        Ok(ViewPlan { scenes: [scene, scene], overlap: Some(scene), instances, from_proposals, tries: 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use univip_core::seed::stream;

    #[test]
    fn every_crop_lies_inside_the_image_and_there_are_k_instances() -> Result<()> {
        let context = ViewContext { instances: 3, crop: Default::default(), limits: Default::default() };
        let sampler = MyPlugin { context };
        for (width, height) in [(1, 1), (50, 300), (640, 480)] {
            let size = Size { width, height };
            let plan = sampler.sample(size, &[], &mut stream(0, "test", &[]))?;
            let crops = plan.scenes.iter().chain(&plan.instances);
            assert!(crops.into_iter().all(|crop| BoundingBox::whole(size).contains(crop)));
            assert_eq!(plan.instances.len(), 3);
        }
        Ok(())
    }
}
