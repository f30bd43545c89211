//! The parameters that move, and the size of their steps.

use crate::rectangles::Rectangles;
use anyhow::Result;
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use univip_core::dataset::Split;
use univip_core::nn::Parameters;
use univip_core::recipe::{AugmentSettings, BrokenImage};
use univip_core::skipped::Skipped;
use univip_core::views::augment::Renderer;
use univip_detection::inputs::Inputs;
use univip_detection::mask_rcnn::MaskRcnn;
use univip_detection::protocol::{Protocol, ProtocolName};
use univip_detection::training::Training;

/// By how much each value has changed, by its name: of the backbone and of the heads.
type Moves = [BTreeMap<String, Vec<f32>>; 2];

/// Trains a narrow detector by a protocol.
fn moves(protocol: &Protocol) -> Result<Moves> {
    let (backbone, heads) = (Parameters::new(3, &Device::Cpu), Parameters::new(3, &Device::Cpu));
    let scope = if protocol.frozen { backbone.frozen() } else { backbone.trainable() };
    let body = univip_resnet::plan(18, 8).build(&scope.enter("backbone"))?;
    let detector = MaskRcnn::new(body, protocol.neck(), protocol.design(2, true), &heads.trainable())?;
    let values = |parameters: &Parameters| -> Result<BTreeMap<String, Tensor>> {
        parameters.tensors().into_iter().map(|(name, value)| Ok((name, value.copy()?))).collect()
    };
    let before = [values(&backbone)?, values(&heads)?];
    let (dataset, renderer) = (Rectangles::new(Split::Train, 12), Renderer::new(&AugmentSettings::default()));
    let skipped = Skipped::new(BrokenImage::Fail);
    let inputs =
        Inputs { dataset: &dataset, renderer: &renderer, longest: 256, masks: true, skipped: &skipped };
    let training = Training { detector: &detector, backbone: &backbone, heads: &heads, protocol, seed: 1 };
    training.run(&inputs, &Device::Cpu, &mut |_, _| {})?;
    let moved = |before: &BTreeMap<String, Tensor>, after: &Parameters| -> Result<_> {
        let moved = |(name, value): (String, Tensor)| -> Result<_> {
            Ok((name.clone(), (value - &before[&name])?.flatten_all()?.to_vec1()?))
        };
        after.tensors().into_iter().map(moved).collect()
    };
    Ok([moved(&before[0], &backbone)?, moved(&before[1], &heads)?])
}

/// One step at a learning rate of 0.05; the warm-up starts at a thousandth of it.
fn one_step() -> Protocol {
    Protocol {
        steps: 1,
        batch: 2,
        lr: 50.0,
        train_sides: vec![64],
        side: 64,
        ..ProtocolName::Small.protocol()
    }
}

fn largest(moves: &BTreeMap<String, Vec<f32>>) -> f32 {
    moves.values().flatten().fold(0.0, |largest, moved| moved.abs().max(largest))
}

#[test]
fn nothing_of_a_frozen_backbone_moves_and_all_else_learns() -> Result<()> {
    let protocol = Protocol { frozen: true, precise_norm: 1, ..one_step() };
    let [backbone, heads] = moves(&protocol)?;
    assert_eq!(backbone.len(), 20 + 20 * 4, "convolutions, and batch norm with its running statistics");
    assert_eq!(largest(&backbone), 0.0);
    let still: Vec<_> = heads.iter().filter(|(_, moved)| moved.iter().all(|moved| *moved == 0.0)).collect();
    assert!(still.is_empty(), "{still:?}");
    Ok(())
}

#[test]
fn the_backbones_first_step_is_in_proportion_to_its_factor_and_that_of_the_rest_is_not() -> Result<()> {
    let [backbone, heads] = moves(&one_step())?;
    let [scaled, same] = moves(&Protocol { backbone_lr_factor: 0.25, ..one_step() })?;
    assert!(heads == same && largest(&backbone) > 1e-3);
    for (name, moved) in &backbone {
        let factor = if name.contains("running_") { 1.0 } else { 0.25 };
        let differences = moved.iter().zip(&scaled[name]).map(|(one, other)| (one * factor - other).abs());
        // The rounding error of a value near 1.
        let apart = differences.fold(0.0, f32::max);
        assert!(apart < 3e-7, "{name}: {apart}");
    }
    Ok(())
}
