//! View sampler random: two independent crops. Table 8(a), "no".

use anyhow::Result;
use serde::{Deserialize, Serialize};
use univip_core::geometry::BoundingBox;
use univip_core::proposals::fill_with_naive_boxes;
use univip_core::registry::ViewPlugin;
use univip_core::seed::Stream;
use univip_core::views::{Group, Subject, ViewContext, ViewPlan, ViewSampler};

univip_core::register_views!("random", RandomViews, "two independent random resized crops (BYOL)");

/// Two random resized crops that may or may not overlap.
///
/// With K > 0 the instances are the first K proposals in order, anywhere in the image, and naive boxes in
/// the whole image where there are fewer. Table 8(a) compares with the losses that need instances and
/// without overlapping views, and does not say where its instances come from: this is our reading.
pub struct RandomViews {
    context: ViewContext,
}

/// `[view.random]`: nothing to choose.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {}

impl univip_core::recipe::Config for Config {}

impl ViewPlugin for RandomViews {
    type Config = Config;

    fn build(_config: Config, context: ViewContext) -> Result<Self> {
        Ok(Self { context })
    }
}

impl ViewSampler for RandomViews {
    fn groups(&self) -> Vec<Group> {
        self.context.scenes_and_instances()
    }

    fn sample(&self, subject: &Subject<'_>, stream: &mut Stream) -> Result<ViewPlan> {
        let (count, crop) = (self.context.views.instances, self.context.views.crop);
        let scenes = [crop.sample(subject.size, stream), crop.sample(subject.size, stream)];
        let mut instances: Vec<BoundingBox> = subject.boxes.iter().take(count).copied().collect();
        let from_proposals = instances.len();
        let whole = BoundingBox::whole(subject.size);
        fill_with_naive_boxes(&mut instances, count, whole, &self.context.limits, stream);
        Ok(ViewPlan::of_scenes_and_instances(scenes, instances, from_proposals))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use univip_core::geometry::Size;
    use univip_core::proposals::BoxLimits;
    use univip_core::recipe::ViewSettings;
    use univip_core::seed::stream;
    use univip_core::views::{INSTANCE, SCENE, ViewBatchNorm};

    fn sample(size: Size, instances: usize, boxes: &[BoundingBox], seed: u64) -> ViewPlan {
        let views = ViewSettings { instances, ..ViewSettings::default() };
        let (limits, instance_batch_norm) = (BoxLimits::default(), ViewBatchNorm::Each);
        let sampler =
            RandomViews::build(Config {}, ViewContext { views, limits, instance_batch_norm }).unwrap();
        sampler.sample(&Subject { index: 0, size, boxes }, &mut stream(seed, "views", &[])).unwrap()
    }

    #[test]
    fn crops_fit_any_image_and_overlap_at_times() {
        let mut overlapping = 0;
        for (seed, (width, height)) in
            [(1, 1), (1, 700), (28, 28), (640, 480)].into_iter().cycle().take(400).enumerate()
        {
            let size = Size { width, height };
            let whole = BoundingBox::whole(size);
            let plan = sample(size, 3, &[], seed as u64);
            assert_eq!(plan, sample(size, 3, &[], seed as u64));
            let (scenes, instances) = (plan.crops(SCENE), plan.crops(INSTANCE));
            assert!(scenes.iter().chain(&instances).all(|one| whole.contains(one)));
            overlapping += usize::from(scenes[0].intersection(&scenes[1]).is_some());
            assert_eq!((scenes.len(), instances.len(), plan.diagnostics), (2, 3, vec![("naive", 1.0)]));
        }
        assert!((1..400).contains(&overlapping), "some pairs overlap and some do not: {overlapping}");
    }

    #[test]
    fn instances_are_the_first_proposals_wherever_the_crops_are() {
        let size = Size { width: 640, height: 480 };
        let boxes = [(0, 0), (500, 400), (300, 200)].map(|(x, y)| BoundingBox::new(x, y, 70, 80));
        for (count, from_proposals) in [(0, 0), (2, 2), (5, 3)] {
            let instances = sample(size, count, &boxes, 7).crops(INSTANCE);
            assert_eq!(instances.len(), count);
            assert_eq!(instances[..from_proposals], boxes[..from_proposals]);
            assert_eq!(BoxLimits::default().filter(&instances), instances);
        }
    }
}
