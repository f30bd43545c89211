//! View sampler overlap: Algorithm 1.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use univip_core::geometry::BoundingBox;
use univip_core::proposals::fill_with_naive_boxes;
use univip_core::recipe::Invalid;
use univip_core::registry::ViewPlugin;
use univip_core::seed::Stream;
use univip_core::views::{Group, Subject, ViewContext, ViewPlan, ViewSampler};

univip_core::register_views!("overlap", OverlapViews, "two crops that share K instances (Algorithm 1)");

/// Two random resized crops whose overlap holds K instances (Section 3.2, Algorithm 1).
///
/// Pairs of crops are drawn until the overlap T holds K proposals, or all of them where an image has
/// fewer; the first K inside T, in order, are the instances. After the last try the first pair with the
/// most proposals inside T is kept, and naive boxes inside T are added (A.2).
///
/// The printed algorithm differs from the paper's text, and this is the text: the printed line 7 accepts a box
/// that *contains* T, here a box must lie *inside* T; and line 5 would allow one try more than `iters`.
///
/// The paper leaves open which pair the last try leaves, how small an overlap may be and what K = 0
/// means. Here an overlap narrower than `min_overlap` is no overlap, K = 0 asks for an overlap and
/// nothing in it, and an image without any overlap after the last try gets the same crop twice.
pub struct OverlapViews {
    config: Config,
    context: ViewContext,
}

/// `[view.overlap]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Pairs of crops tried for an image, at most (Table 9: 10, 20 or 30).
    pub iterations: u32,
    /// The shortest side of an overlap, in pixels of the image; 0 is the side that an instance needs
    /// (`proposals.limits.min_side`). The paper does not state it.
    pub min_overlap: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { iterations: 20, min_overlap: 0 }
    }
}

impl univip_core::recipe::Config for Config {
    fn check(&self) -> Result<(), Invalid> {
        if self.iterations == 0 {
            let problem = "is 0, expected at least one try".into();
            return Err(Invalid { key: "iterations", problem });
        }
        Ok(())
    }
}

impl ViewPlugin for OverlapViews {
    type Config = Config;

    fn build(config: Config, context: ViewContext) -> Result<Self> {
        Ok(Self { config, context })
    }
}

impl ViewSampler for OverlapViews {
    fn groups(&self) -> Vec<Group> {
        self.context.scenes_and_instances()
    }

    fn sample(&self, subject: &Subject<'_>, stream: &mut Stream) -> Result<ViewPlan> {
        let Subject { size, boxes, .. } = *subject;
        let (count, crop) = (self.context.views.instances, self.context.views.crop);
        // No pair can do better than to hold all boxes: the first that does is the one to keep.
        let wanted = boxes.len().min(count);
        let mut best: Option<Pair> = None;
        let mut tries = 0;
        let pair = loop {
            let scenes = [crop.sample(size, stream), crop.sample(size, stream)];
            tries += 1;
            let pair = self.overlap(scenes).map(|overlap| Pair::new(scenes, overlap, boxes, count));
            best = match (best, pair) {
                (Some(best), Some(pair)) if pair.instances.len() > best.instances.len() => Some(pair),
                (None, pair) => pair,
                (best, _) => best,
            };
            let last = tries == self.config.iterations;
            match best.take_if(|best| last || best.instances.len() == wanted) {
                Some(best) => break best,
                None if last => break Pair::new([scenes[0]; 2], scenes[0], boxes, count),
                None => {}
            }
        };
        let Pair { scenes, overlap, mut instances } = pair;
        let from_proposals = instances.len();
        fill_with_naive_boxes(&mut instances, count, overlap, &self.context.limits, stream);
        let mut plan = ViewPlan::of_scenes_and_instances(scenes, instances, from_proposals);
        plan.diagnostics.push(("tries", tries as f32));
        Ok(plan)
    }
}

impl OverlapViews {
    /// T, where both sides are long enough.
    fn overlap(&self, [one, other]: [BoundingBox; 2]) -> Option<BoundingBox> {
        let shortest = match self.config.min_overlap {
            0 => self.context.limits.min_side,
            side => side,
        };
        one.intersection(&other).filter(|both| both.width.min(both.height) >= shortest)
    }
}

/// Two scene views, T and the proposals in it.
struct Pair {
    scenes: [BoundingBox; 2],
    overlap: BoundingBox,
    instances: Vec<BoundingBox>,
}

impl Pair {
    fn new(scenes: [BoundingBox; 2], overlap: BoundingBox, boxes: &[BoundingBox], count: usize) -> Self {
        let inside = boxes.iter().filter(|one| overlap.contains(one));
        Self { scenes, overlap, instances: inside.take(count).copied().collect() }
    }
}

#[cfg(test)]
mod tests;
