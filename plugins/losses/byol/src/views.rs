//! View sampler random: two independent crops. Table 8(a), "no".

use anyhow::Result;
use serde::{Deserialize, Serialize};
use univip_core::geometry::{BoundingBox, Size};
use univip_core::proposals::fill_with_naive_boxes;
use univip_core::registry::ViewPlugin;
use univip_core::seed::Stream;
use univip_core::views::{ViewContext, ViewPlan, ViewSampler};

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
    fn sample(&self, size: Size, boxes: &[BoundingBox], stream: &mut Stream) -> Result<ViewPlan> {
        let ViewContext { instances: count, crop, limits } = self.context;
        let scenes = [crop.sample(size, stream), crop.sample(size, stream)];
        let mut instances: Vec<BoundingBox> = boxes.iter().take(count).copied().collect();
        let from_proposals = instances.len();
        fill_with_naive_boxes(&mut instances, count, BoundingBox::whole(size), &limits, stream);
        let overlap = scenes[0].intersection(&scenes[1]);
        Ok(ViewPlan { scenes, overlap, instances, from_proposals, tries: 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use univip_core::proposals::BoxLimits;
    use univip_core::seed::stream;
    use univip_core::views::CropLimits;

    fn sample(size: Size, instances: usize, boxes: &[BoundingBox], seed: u64) -> ViewPlan {
        let context = ViewContext { instances, crop: CropLimits::default(), limits: BoxLimits::default() };
        let sampler = RandomViews::build(Config {}, context).unwrap();
        sampler.sample(size, boxes, &mut stream(seed, "views", &[])).unwrap()
    }

    #[test]
    fn crops_fit_any_image_and_the_overlap_is_told_where_there_is_one() {
        let mut overlapping = 0;
        for (seed, (width, height)) in
            [(1, 1), (1, 700), (28, 28), (640, 480)].into_iter().cycle().take(400).enumerate()
        {
            let size = Size { width, height };
            let whole = BoundingBox::whole(size);
            let plan = sample(size, 3, &[], seed as u64);
            assert_eq!(plan, sample(size, 3, &[], seed as u64));
            assert!(plan.scenes.iter().chain(&plan.instances).all(|one| whole.contains(one)));
            assert_eq!(plan.overlap, plan.scenes[0].intersection(&plan.scenes[1]));
            overlapping += usize::from(plan.overlap.is_some());
            assert_eq!((plan.instances.len(), plan.from_proposals, plan.tries), (3, 0, 1));
        }
        assert!((1..400).contains(&overlapping), "some pairs overlap and some do not: {overlapping}");
    }

    #[test]
    fn instances_are_the_first_proposals_wherever_the_crops_are() {
        let size = Size { width: 640, height: 480 };
        let boxes = [(0, 0), (500, 400), (300, 200)].map(|(x, y)| BoundingBox::new(x, y, 70, 80));
        for (count, from_proposals) in [(0, 0), (2, 2), (5, 3)] {
            let plan = sample(size, count, &boxes, 7);
            assert_eq!((plan.instances.len(), plan.from_proposals), (count, from_proposals));
            assert_eq!(plan.instances[..from_proposals], boxes[..from_proposals]);
            assert_eq!(BoxLimits::default().filter(&plan.instances), plan.instances);
        }
    }
}
