//! View sampler multi-crop: few large and many small random resized crops.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use univip_core::config::{at_least, at_most};
use univip_core::recipe::{Config, Invalid};
use univip_core::registry::ViewPlugin;
use univip_core::seed::Stream;
use univip_core::views::{
    CropLimits, Group, MOST_VIEWS, SCENE, Subject, View, ViewBatchNorm, ViewContext, ViewPlan, ViewSampler,
    area_share,
};

/// The group of the small views.
const LOCAL: &str = "local";

/// Random resized crops in two groups: `scene`, of `views.scene_size` pixels and within `views.crop`, and `local`, of
/// `views.instance_size` pixels and a smaller share of the image. All have the same augmentation.
pub struct MultiCrop {
    settings: MultiCropSettings,
    context: ViewContext,
}

/// `[view.multi-crop]`. The defaults are the authors' 2 x 224 + 6 x 96.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MultiCropSettings {
    /// The large views.
    pub scenes: usize,
    /// The small views; without any there is no group `local`.
    pub locals: usize,
    /// The share of the image's area of a small view, from and to.
    pub local_scale: [f64; 2],
    /// The augmentation of all views: `view1` is `[augment.view1]`.
    pub augment: String,
    /// Over which views of a size batch norm takes its statistics; the authors' code joins them.
    pub batch_norm: ViewBatchNorm,
}

impl Default for MultiCropSettings {
    fn default() -> Self {
        Self {
            scenes: 2,
            locals: 6,
            local_scale: [0.05, 0.14],
            augment: "view1".into(),
            batch_norm: ViewBatchNorm::Together,
        }
    }
}

impl Config for MultiCropSettings {
    fn check(&self) -> Result<(), Invalid> {
        at_least("scenes", self.scenes as u64, 1)?;
        at_most("scenes", self.scenes as u64, MOST_VIEWS)?;
        at_most("locals", self.locals as u64, MOST_VIEWS)?;
        area_share("local_scale", self.local_scale)
    }
}

impl ViewPlugin for MultiCrop {
    type Config = MultiCropSettings;

    fn build(settings: MultiCropSettings, context: ViewContext) -> Result<Self> {
        Ok(Self { settings, context })
    }
}

impl ViewSampler for MultiCrop {
    fn groups(&self) -> Vec<Group> {
        let MultiCropSettings { scenes, locals, augment, batch_norm, .. } = &self.settings;
        let group = |name: &str, views: usize, size: u32| {
            let group = Group::new(name, &vec![augment.clone(); views], size);
            Group { batch_norm: *batch_norm, ..group }
        };
        let views = &self.context.views;
        let groups = [group(SCENE, *scenes, views.scene_size), group(LOCAL, *locals, views.instance_size)];
        groups.into_iter().filter(|group| group.views() > 0).collect()
    }

    fn sample(&self, subject: &Subject<'_>, stream: &mut Stream) -> Result<ViewPlan> {
        let large = self.context.views.crop;
        let small = CropLimits { scale: self.settings.local_scale, ..large };
        let mut plan = ViewPlan::default();
        for group in self.groups() {
            let limits = if group.name == SCENE { large } else { small };
            let crop = |_: &String| View::crop(limits.sample(subject.size, stream));
            plan.groups.insert(group.name, group.augment.iter().map(crop).collect());
        }
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use univip_core::geometry::{BoundingBox, Size};
    use univip_core::proposals::BoxLimits;
    use univip_core::recipe::ViewSettings;
    use univip_core::seed::stream;

    fn sampler(settings: MultiCropSettings) -> MultiCrop {
        let (views, limits) = (ViewSettings::default(), BoxLimits::default());
        let context = ViewContext { views, limits, instance_batch_norm: ViewBatchNorm::Each };
        MultiCrop { settings, context }
    }

    #[test]
    fn large_and_small_crops_have_their_sizes_and_shares() -> Result<()> {
        let sampler = sampler(MultiCropSettings::default());
        let sizes: Vec<_> = sampler.groups().iter().map(|group| (group.views(), group.size)).collect();
        assert_eq!(sizes, [(2, 224), (6, 96)]);
        let size = Size { width: 640, height: 480 };
        let whole = BoundingBox::whole(size);
        let share = |crop: &BoundingBox| f64::from(crop.width * crop.height) / f64::from(640 * 480);
        for seed in 0..200 {
            let subject = Subject { index: 0, size, boxes: &[] };
            let plan = sampler.sample(&subject, &mut stream(seed, "views", &[]))?;
            let (large, small) = (plan.crops(SCENE), plan.crops(LOCAL));
            assert_eq!((large.len(), small.len()), (2, 6));
            assert!(large.iter().chain(&small).all(|crop| whole.contains(crop)));
            assert!(small.iter().all(|crop| (0.045..0.145).contains(&share(crop))));
        }
        Ok(())
    }

    #[test]
    fn without_small_views_there_is_one_group() {
        let groups = sampler(MultiCropSettings { locals: 0, ..Default::default() }).groups();
        assert_eq!(groups.len(), 1);
        let joined = Group {
            batch_norm: ViewBatchNorm::Together,
            ..Group::new(SCENE, &["view1".into(), "view1".into()], 224)
        };
        assert_eq!(groups[0], joined);
    }

    #[test]
    fn shares_beyond_the_image_are_refused() {
        let settings = MultiCropSettings { local_scale: [0.5, 1.5], ..Default::default() };
        assert_eq!(settings.check().expect_err("beyond the image").key, "local_scale");
        let settings = MultiCropSettings { scenes: 0, ..Default::default() };
        assert_eq!(settings.check().expect_err("nothing to assign").key, "scenes");
    }
}
