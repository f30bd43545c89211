//! Groups of views in a batch: which of them are drawn, and that none shifts another one's numbers.

use anyhow::Result;
use image::RgbImage;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use univip_core::dataset::Dataset;
use univip_core::error::ImageError;
use univip_core::geometry::BoundingBox;
use univip_core::recipe::{AugmentSettings, BrokenImage};
use univip_core::seed::Stream;
use univip_core::views::augment::Renderer;
use univip_core::views::{
    Batch, BatchMaker, EpochOrder, Group, INSTANCE, SCENE, Subject, View, ViewPlan, ViewSampler,
};

struct Shades;

impl Dataset for Shades {
    fn len(&self) -> usize {
        6
    }
    fn id(&self, index: usize) -> String {
        format!("shade {index}")
    }
    fn image(&self, index: usize) -> Result<RgbImage, ImageError> {
        Ok(RgbImage::from_fn(48, 40, |x, y| image::Rgb([x as u8 * 5, y as u8 * 6, index as u8 * 40])))
    }
    fn digest(&self) -> String {
        "shades".into()
    }
}

/// The same crop of every image, for each view of these groups.
struct Groups(Vec<(&'static str, usize)>);

impl ViewSampler for Groups {
    fn groups(&self) -> Vec<Group> {
        let group = |(name, views): &(&str, usize)| Group::new(name, &vec!["view2".to_string(); *views], 32);
        self.0.iter().map(group).collect()
    }

    fn sample(&self, _: &Subject<'_>, _: &mut Stream) -> Result<ViewPlan> {
        let view = View::crop(BoundingBox::new(3, 2, 40, 36));
        let views = |(name, views): &(&str, usize)| (name.to_string(), vec![view.clone(); *views]);
        Ok(ViewPlan { groups: self.0.iter().map(views).collect(), diagnostics: Vec::new() })
    }
}

/// The second batch of a run with these groups, of which some are drawn.
fn batch(groups: &[(&'static str, usize)], drawn: &[&str]) -> Result<Batch> {
    let maker = BatchMaker {
        dataset: Arc::new(Shades),
        order: EpochOrder::new(6, 3),
        proposals: None,
        sampler: Box::new(Groups(groups.to_vec())),
        sampler_name: "groups".into(),
        renderer: Renderer::new(&AugmentSettings::default()),
        rendered: drawn.iter().map(ToString::to_string).collect(),
        broken: BrokenImage::Fail,
        batch: 3,
        batches_per_epoch: 2,
    };
    maker.make(1)
}

fn bits(batch: &Batch) -> Result<BTreeMap<String, Vec<u32>>> {
    let of = |(name, tensor): (&String, &candle_core::Tensor)| {
        let values: Vec<f32> = tensor.flatten_all()?.to_vec1()?;
        Ok((name.clone(), values.into_iter().map(f32::to_bits).collect()))
    };
    batch.groups.iter().map(of).collect()
}

#[test]
fn a_group_that_nobody_asks_for_is_planned_and_not_drawn() -> Result<()> {
    let groups = [(SCENE, 2), ("local", 3), (INSTANCE, 1)];
    let some = batch(&groups, &["local"])?;
    assert_eq!(some.groups.keys().collect::<Vec<_>>(), ["local"]);
    for plan in &some.facts.plans {
        let planned: Vec<(&str, usize)> =
            plan.groups.iter().map(|(name, views)| (name.as_str(), views.len())).collect();
        assert_eq!(planned, [(INSTANCE, 1), ("local", 3), (SCENE, 2)]);
        // The facts say which flips were drawn: none of views that were not.
        assert!(plan.views("local").iter().all(|view| view.flip.is_some()));
        assert!(plan.views(SCENE).iter().all(|view| view.flip.is_none()));
    }
    // Drawn or not, the others are what they are.
    let all = bits(&batch(&groups, &[SCENE, "local", INSTANCE])?)?;
    assert_eq!(all.len(), 3);
    assert_eq!(bits(&some)?["local"], all["local"]);
    Ok(())
}

#[test]
fn another_group_shifts_no_random_number() -> Result<()> {
    let drawn = [SCENE, "local", INSTANCE];
    let all = bits(&batch(&[(SCENE, 2), ("local", 3), (INSTANCE, 2)], &drawn)?)?;
    // In another order, and with groups before, between and behind.
    let others = [("before", 4), (INSTANCE, 2), ("between", 1), ("local", 3), (SCENE, 2), ("zebra", 2)];
    let names: Vec<&str> = others.iter().map(|(name, _)| *name).collect();
    let among = bits(&batch(&others, &names)?)?;
    for name in drawn {
        assert_eq!(among[name], all[name], "{name}");
    }
    // A view more in the same group leaves the first ones: the crop is the same, and so are no two views' colours.
    let more = bits(&batch(&[(SCENE, 2), ("local", 4), (INSTANCE, 2)], &drawn)?)?;
    assert_eq!(more["local"][..all["local"].len()], all["local"][..]);
    let view = 3 * 32 * 32 * 3;
    let views: BTreeSet<&[u32]> = among.values().flat_map(|values| values.chunks(view)).collect();
    let count: usize = others.iter().map(|(_, views)| views).sum();
    assert_eq!(views.len(), count, "two views have the same numbers");
    Ok(())
}
