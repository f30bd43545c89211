//! The linear classifier that learns beside the pre-training.

mod common;

use anyhow::Result;
use candle_core::Device;
use image::{Rgb, RgbImage};
use std::sync::Arc;
use univip_core::dataset::Dataset;
use univip_core::error::ImageError;
use univip_core::networks::{Needs, NetworkParts, Networks};
use univip_core::online_probe::{OnlineProbe, Shown};
use univip_core::recipe::{AugmentSettings, BrokenImage, NetworkSettings};
use univip_core::views::augment::Renderer;

const SIDE: u32 = 32;

/// Dark and bright stripes, in turns.
struct Stripes(Vec<String>);

impl Dataset for Stripes {
    fn len(&self) -> usize {
        40
    }

    fn id(&self, index: usize) -> String {
        format!("stripes {index}")
    }

    fn image(&self, index: usize) -> Result<RgbImage, ImageError> {
        let (width, brightest) = (3 + index as u32 / 2 % 5, [70, 220][index % 2]);
        let level = |x: u32, y: u32| (x + y) / width % 2 * brightest;
        Ok(RgbImage::from_fn(SIDE, SIDE, |x, y| Rgb([level(x, y) as u8; 3])))
    }

    fn label(&self, index: usize) -> Option<usize> {
        Some(index % 2)
    }

    fn classes(&self) -> &[String] {
        &self.0
    }

    fn digest(&self) -> String {
        "stripes".into()
    }
}

fn probe() -> Result<OnlineProbe> {
    let settings = NetworkSettings::default();
    let (backbone, groups, heads) = (common::small(8), Vec::new(), Vec::new());
    let parts = NetworkParts {
        settings: &settings,
        backbone,
        init: None,
        groups,
        heads,
        needs: Needs::new(),
        seed: 0,
    };
    let backbone = Networks::new(parts, &Device::Cpu)?.frozen_backbone()?;
    let dataset = Stripes(vec!["dark".into(), "bright".into()]);
    let renderer = Renderer::new(&AugmentSettings::default());
    let shown = Shown { renderer, image_size: SIDE, batch: 16, broken: BrokenImage::Skip };
    OnlineProbe::new(Arc::new(dataset), shown, backbone, 5)
}

#[test]
fn it_learns_what_a_line_can_tell_apart_and_counts_before_it_learns() -> Result<()> {
    let mut probe = probe()?;
    let mut epoch = |steps: std::ops::Range<u64>| -> Result<_> {
        steps.into_iter().try_for_each(|step| probe.step(step))?;
        Ok(probe.end_epoch())
    };
    let first = epoch(0..1)?;
    assert_eq!((first.len(), first[0].name.as_str(), first[0].images), (1, "top1", 16));
    epoch(1..40)?;
    let last = epoch(40..60)?;
    assert_eq!((last[0].images, last[0].protocol.as_str()), (320, "online, 16 train images a step"));
    assert!(last[0].value > 90.0 && last[0].value > first[0].value, "{first:?}, {last:?}");
    Ok(())
}

#[test]
fn one_that_goes_on_from_its_state_ends_in_the_same_numbers() -> Result<()> {
    let [mut whole, mut first, mut second] = [probe()?, probe()?, probe()?];
    (0..9).try_for_each(|step| whole.step(step))?;
    (0..4).try_for_each(|step| first.step(step))?;
    second.load_state(first.state()?)?;
    (4..9).try_for_each(|step| second.step(step))?;
    let bits =
        |probe: &OnlineProbe| -> Result<Vec<u8>> { Ok(safetensors::serialize(&probe.state()?, None)?) };
    assert_eq!(bits(&whole)?, bits(&second)?);
    assert_eq!(whole.end_epoch(), second.end_epoch());
    Ok(())
}
