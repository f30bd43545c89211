//! The statistics of batch norm are those of the images.

use crate::rectangles::Rectangles;
use anyhow::Result;
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use univip_core::dataset::Split;
use univip_core::nn::{Mode, Parameters};
use univip_core::recipe::{AugmentSettings, BrokenImage};
use univip_core::skipped::Skipped;
use univip_core::views::augment::Renderer;
use univip_detection::batches::Batches;
use univip_detection::detector::Images;
use univip_detection::inputs::Inputs;
use univip_detection::mask_rcnn::MaskRcnn;
use univip_detection::precise_norm::PreciseNorm;
use univip_detection::protocol::ProtocolName;

const SIDES: [u32; 2] = [64, 96];

/// The running statistics, by name.
fn statistics(parameters: &Parameters) -> Result<BTreeMap<String, Vec<f32>>> {
    let values = |(name, tensor): (String, candle_core::Var)| Ok((name, tensor.to_vec1::<f32>()?));
    parameters.buffers().into_iter().map(values).collect()
}

#[test]
fn statistics_are_the_means_over_batches() -> Result<()> {
    let dataset = Rectangles::new(Split::Train, 12);
    let renderer = Renderer::new(&AugmentSettings::default());
    let skipped = Skipped::new(BrokenImage::Fail);
    let inputs =
        Inputs { dataset: &dataset, renderer: &renderer, longest: 256, masks: true, skipped: &skipped };
    let parameters = Parameters::new(3, &Device::Cpu);
    let scope = parameters.trainable();
    let protocol = ProtocolName::Small.protocol();
    let body = || univip_resnet::plan(18, 8).build(&scope);
    let detector = MaskRcnn::new(body()?, protocol.neck(), protocol.design(2, true), &scope)?;

    // Of the first `count` batches from the batch `first` on; weights never change, so that it does not matter what was
    // there before.
    let over = |batches: &mut Batches<'_>, first, count| -> Result<_> {
        PreciseNorm { detector: &detector, parameters: &[&parameters], seed: 7, first, count }.measure(
            batches,
            &Device::Cpu,
            &mut |_| {},
        )?;
        statistics(&parameters)
    };
    let start = || Batches::new(&inputs, &SIDES, 4, 7);
    let mut batches = start();
    let (one, other) = (over(&mut batches, 0, 1)?, over(&mut batches, 1, 1)?);
    assert_ne!(one, other);
    let both = over(&mut start(), 0, 2)?;
    for (name, values) in &both {
        for (index, value) in values.iter().enumerate() {
            let expected = (one[name][index] + other[name][index]) / 2.0;
            let close = (value - expected).abs() <= 1e-5 * expected.abs().max(1e-3);
            assert!(close, "{name} {index}: {value}, expected {expected}");
        }
    }

    // With the statistics of one batch, that batch is normalised as in training, but for the unbiased variance.
    over(&mut start(), 0, 1)?;
    let mut seen = Vec::new();
    start().each(1, &Device::Cpu, |_, Images { pixels, .. }, _| {
        let stem = |mode| -> Result<Tensor> { Ok(body()?.stem(pixels, mode)?.tensor()?) };
        let (measured, learnt) = (stem(Mode::Eval)?, stem(Mode::Train { groups: 1 })?);
        let apart = (measured - &learnt)?.abs()?.max_all()?.to_scalar::<f32>()?;
        seen.push((apart, learnt.max_all()?.to_scalar::<f32>()?));
        Ok(())
    })?;
    assert!(matches!(seen[..], [(apart, largest)] if apart < 1e-3 * largest && largest > 1.0), "{seen:?}");
    Ok(())
}
