//! View sampler crops: random resized crops in groups that the recipe names.

use anyhow::Result;
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use univip_core::config::{ordered, require};
use univip_core::nn::backbone::image_side;
use univip_core::recipe::Invalid;
use univip_core::registry::ViewPlugin;
use univip_core::seed::{Stream, stream};
use univip_core::views::{
    CropLimits, Group, SCENE, Subject, View, ViewContext, ViewPlan, ViewSampler, area_share,
};

univip_core::register_views!("crops", Crops, "independent random resized crops in groups of the recipe's");

/// Independent random resized crops. Networks run on a group as a whole, so that views which only one of the two networks sees (a
/// query, its key) or which have another size (small crops beside large ones) are groups of their own.
pub struct Crops {
    groups: Vec<(Group, CropLimits)>,
}

/// `[view.crops]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `[view.crops.groups.<name>]`
    pub groups: BTreeMap<String, GroupSettings>,
}

/// `[view.crops.groups.<name>]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GroupSettings {
    /// One view for each entry, which is the name of its augmentation: `view1` is `[augment.view1]`.
    pub augment: Vec<String>,
    /// The side of the views in pixels; `views.scene_size` where it is not set.
    pub size: Option<u32>,
    /// The share of the image's area, from and to; that of `views.crop` where it is not set.
    pub scale: Option<[f64; 2]>,
    /// Width over height, from and to; that of `views.crop` where it is not set.
    pub ratio: Option<[f64; 2]>,
}

impl Default for Config {
    fn default() -> Self {
        let scene = GroupSettings { augment: vec!["view1".into(), "view2".into()], ..Default::default() };
        Self { groups: BTreeMap::from([(SCENE.to_string(), scene)]) }
    }
}

impl univip_core::recipe::Config for Config {
    fn check(&self) -> Result<(), Invalid> {
        require(!self.groups.is_empty(), "groups", || {
            "expected at least one group, such as [view.crops.groups.scene]".into()
        })?;
        for (name, GroupSettings { augment, size, scale, ratio }) in &self.groups {
            let about = |Invalid { problem, .. }: Invalid| Invalid {
                key: "groups",
                problem: format!("group `{name}`: {problem}"),
            };
            require(!augment.is_empty(), "groups", || {
                format!(
                    "group `{name}` has no views: name an augmentation for each, such as augment = [\"view1\"]"
                )
            })?;
            size.map_or(Ok(()), |size| image_side("size", size)).map_err(about)?;
            scale.map_or(Ok(()), |scale| area_share("scale", scale)).map_err(about)?;
            ratio.map_or(Ok(()), |ratio| ordered("ratio", ratio)).map_err(about)?;
        }
        Ok(())
    }
}

impl ViewPlugin for Crops {
    type Config = Config;

    fn build(config: Config, context: ViewContext) -> Result<Self> {
        let views = context.views;
        let group = |(name, settings): (String, GroupSettings)| {
            let group = Group::new(&name, &settings.augment, settings.size.unwrap_or(views.scene_size));
            let limits = CropLimits {
                scale: settings.scale.unwrap_or(views.crop.scale),
                ratio: settings.ratio.unwrap_or(views.crop.ratio),
            };
            (group, limits)
        };
        Ok(Self { groups: config.groups.into_iter().map(group).collect() })
    }
}

impl ViewSampler for Crops {
    fn groups(&self) -> Vec<Group> {
        self.groups.iter().map(|(group, _)| group.clone()).collect()
    }

    fn sample(&self, subject: &Subject<'_>, numbers: &mut Stream) -> Result<ViewPlan> {
        // Each group has a stream of its own, so that none shifts another one's crops.
        let seed = numbers.random();
        let views = |(group, limits): &(Group, CropLimits)| {
            let mut numbers = stream(seed, &format!("crops {}", group.name), &[]);
            let crop = |_| View::crop(limits.sample(subject.size, &mut numbers));
            (group.name.clone(), group.augment.iter().map(crop).collect())
        };
        Ok(ViewPlan { groups: self.groups.iter().map(views).collect(), ..ViewPlan::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use univip_core::geometry::{BoundingBox, Size};
    use univip_core::proposals::BoxLimits;
    use univip_core::recipe::{Table, ViewSettings};
    use univip_core::views::ViewBatchNorm;

    const SIZE: Size = Size { width: 640, height: 480 };

    fn sampler(settings: &str) -> Result<Crops> {
        let (views, limits) = (ViewSettings::default(), BoxLimits::default());
        let context = ViewContext { views, limits, instance_batch_norm: ViewBatchNorm::Each };
        Crops::build(Table::of(settings).read()?, context)
    }

    fn plan(sampler: &Crops, seed: u64) -> Result<ViewPlan> {
        sampler.sample(&Subject { index: 0, size: SIZE, boxes: &[] }, &mut stream(seed, "views", &[]))
    }

    #[test]
    fn each_group_has_its_views_its_size_and_its_limits() -> Result<()> {
        let sampler = sampler(
            "[table.groups.large]\naugment = [\"view1\", \"view2\"]\n\
             [table.groups.small]\naugment = [\"view1\"]\nsize = 96\nscale = [0.05, 0.14]",
        )?;
        let sizes: Vec<_> = sampler
            .groups()
            .into_iter()
            .map(|group| (group.name.clone(), group.views(), group.size))
            .collect();
        assert_eq!(sizes, [("large".to_string(), 2, 224), ("small".to_string(), 1, 96)]);
        let (whole, area) = (BoundingBox::whole(SIZE), f64::from(SIZE.width * SIZE.height));
        let mut largest = 0.0f64;
        for seed in 0..300 {
            let found = plan(&sampler, seed)?;
            assert_eq!(found, plan(&sampler, seed)?);
            let (large, small) = (found.crops("large"), found.crops("small"));
            assert_eq!((large.len(), small.len()), (2, 1));
            assert!(large.iter().chain(&small).all(|crop| whole.contains(crop)));
            assert_ne!(large[0], large[1]);
            let share = f64::from(small[0].width * small[0].height) / area;
            assert!((0.045..0.15).contains(&share), "{share}");
            largest = largest.max(f64::from(large[0].width * large[0].height) / area);
        }
        assert!(largest > 0.7, "large crops reach over the image: {largest}");
        Ok(())
    }

    #[test]
    fn another_group_shifts_no_crop() -> Result<()> {
        let key = "[table.groups.key]\naugment = [\"view1\"]\n";
        let alone = sampler(key)?;
        let beside = sampler(&format!("{key}[table.groups.anchor]\naugment = [\"view1\", \"view1\"]"))?;
        for seed in 0..20 {
            assert_eq!(plan(&alone, seed)?.views("key"), plan(&beside, seed)?.views("key"));
        }
        Ok(())
    }

    #[test]
    fn groups_that_cannot_be_are_refused_by_name() {
        for (settings, said) in [
            ("groups = {}", "at least one group"),
            ("[table.groups.query]", "`query` has no views"),
            ("[table.groups.key]\naugment = [\"view1\"]\nsize = 1", "`key`"),
            ("[table.groups.key]\naugment = [\"view1\"]\nscale = [0.5, 0.1]", "`key`"),
            ("[table.groups.key]\naugment = [\"view1\"]\nscale = [0.5, 1.5]", "whole image"),
            ("[table.groups.key]\naugment = [\"view1\"]\nsides = 3", "sides"),
        ] {
            let error = sampler(settings).err().expect(settings).to_string();
            assert!(error.contains(said), "{settings}: {error}");
        }
    }
}
