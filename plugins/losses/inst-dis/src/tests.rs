//! Values and gradients against PyTorch (`tests/fixtures/make.py`), the drawn negatives, and a bank that goes on to the same bits.

use super::*;
use anyhow::Context;
use candle_core::{Device, Var};
use std::collections::{BTreeMap, HashMap};
use univip_core::networks::Place;
use univip_core::nn::Parameters;
use univip_core::nn::cross_entropy::cross_entropy;
use univip_core::views::Facts;

const IMAGES: usize = 7;

type Tensors = HashMap<String, Tensor>;

fn fixture() -> Result<Tensors> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/inst-dis.safetensors");
    Ok(candle_core::safetensors::load(path, &Device::Cpu)?)
}

fn integers(tensor: &Tensor) -> Result<Vec<u32>> {
    Ok(tensor.flatten_all()?.to_vec1::<f32>()?.into_iter().map(|number| number as u32).collect())
}

/// The loss with 5 negatives among 7 images.
fn build(parameters: &Parameters) -> Result<InstDis> {
    let sizes = BTreeMap::from([(Place::named("projector"), 4)]);
    let context = LossContext { sizes, images: IMAGES, ..LossContext::of(parameters.trainable()) };
    InstDis::build(Config { negatives: 5, ..Config::default() }, context)
}

/// The fixture's features of a step.
fn features(all: &Tensors, step: usize) -> Result<Features> {
    let indices =
        integers(&all[&format!("indices.{step}")])?.into_iter().map(|index| index as usize).collect();
    let facts = Facts { indices, ..Facts::default() };
    let outputs = all[&format!("outputs.{step}")].clone();
    Ok(Features::new(facts).with_views(Output::online("scene", "projector"), [outputs]))
}

fn compare(found: &Tensor, expected: &Tensor, tolerance: f32, name: &str) -> Result<()> {
    let difference = (found - expected)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
    println!("{name}: largest difference {difference:e}");
    assert!(difference < tolerance, "{name} differs by {difference}");
    Ok(())
}

fn bits(parameters: &Parameters) -> Result<Vec<u32>> {
    let bank = parameters.tensors()["bank"].flatten_all()?.to_vec1::<f32>()?;
    Ok(bank.into_iter().map(f32::to_bits).collect())
}

#[test]
fn two_steps_are_those_of_pytorch() -> Result<()> {
    let all = fixture()?;
    let parameters = Parameters::new(0, &Device::Cpu);
    let loss = build(&parameters)?;
    parameters.load(&BTreeMap::from([("bank".to_string(), all["bank"].clone())]))?;
    for step in 0..2 {
        let outputs = Var::from_tensor(&all[&format!("outputs.{step}")])?;
        let logits = loss.logits(outputs.as_tensor(), integers(&all[&format!("chosen.{step}")])?)?;
        let value = cross_entropy(&logits, &[0; 3])?;
        compare(&value, &all[&format!("loss.{step}")], 1e-5, "loss")?;
        let gradients = value.backward()?;
        let gradient = gradients.get(&outputs).context("no gradient")?;
        compare(gradient, &all[&format!("gradient.{step}")], 1e-5, "gradient")?;
        loss.after_step(&[features(&all, step)?], &Step::default())?;
    }
    compare(&parameters.tensors()["bank"], &all["after"], 1e-6, "bank")?;
    assert!(parameters.parameters().is_empty(), "the bank is a buffer: no optimiser moves it");
    Ok(())
}

#[test]
fn negatives_are_drawn_with_replacement_anew_for_each_feature_step_and_pass() -> Result<()> {
    let loss = build(&Parameters::new(0, &Device::Cpu))?;
    let step = Step { number: 3, seed: 5, ..Step::default() };
    let chosen = loss.choice(&[6, 2], &step);
    assert_eq!((chosen.len(), chosen[0], chosen[6]), (12, 6, 2));
    assert_eq!(chosen, loss.choice(&[6, 2], &step), "the same numbers for the same step");
    assert_ne!(chosen[1..6], chosen[7..], "each feature has its own");
    assert_ne!(chosen, loss.choice(&[6, 2], &Step { number: 4, ..step }));
    assert_ne!(chosen, loss.choice(&[6, 2], &Step { pass: 1, ..step }));
    let mut counts = [0; IMAGES];
    for number in 0..1000 {
        let drawn = loss.choice(&[0], &Step { number, ..step });
        drawn[1..].iter().for_each(|image| counts[*image as usize] += 1);
    }
    // 5,000 draws among 7: 714 each, with a standard deviation of 25.
    assert!(counts.iter().all(|count| (614..814).contains(count)), "{counts:?}");
    Ok(())
}

#[test]
fn the_value_is_that_of_the_drawn_negatives() -> Result<()> {
    let (all, parameters) = (fixture()?, Parameters::new(0, &Device::Cpu));
    let (loss, step) = (build(&parameters)?, Step { number: 8, ..Step::default() });
    let features = features(&all, 0)?;
    let own = integers(&all["indices.0"])?;
    let logits = loss.logits(&all["outputs.0"], loss.choice(&own, &step))?;
    let expected = cross_entropy(&logits, &[0; 3])?.to_scalar::<f32>()?;
    let found = loss.compute(&features, &step)?.value.to_scalar::<f32>()?;
    assert_eq!(found.to_bits(), expected.to_bits());
    Ok(())
}

#[test]
fn a_bank_from_a_checkpoint_goes_on_to_the_same_bits() -> Result<()> {
    let all = fixture()?;
    let [whole, before, after] = [1, 1, 2].map(|seed| Parameters::new(seed, &Device::Cpu));
    let through = build(&whole)?;
    let (first, second) = (build(&before)?, build(&after)?);
    let value = |loss: &InstDis, step: usize| -> Result<u32> {
        let now = Step { number: step as u64, ..Step::default() };
        let value = loss.compute(&features(&all, step)?, &now)?.value.to_scalar::<f32>()?;
        loss.after_step(&[features(&all, step)?], &now)?;
        Ok(value.to_bits())
    };
    value(&through, 0)?;
    value(&first, 0)?;
    assert_ne!(bits(&before)?, bits(&after)?);
    after.load(&before.tensors())?;
    assert_eq!(value(&through, 1)?, value(&second, 1)?);
    assert_eq!(bits(&whole)?, bits(&after)?);
    assert_ne!(bits(&before)?, bits(&after)?, "the two share nothing");
    Ok(())
}

#[test]
fn all_forward_passes_move_the_bank_and_nothing_else_of_it() -> Result<()> {
    let all = fixture()?;
    let parameters = Parameters::new(1, &Device::Cpu);
    let loss = build(&parameters)?;
    let before = parameters.tensors()["bank"].copy()?.to_vec2::<f32>()?;
    loss.after_step(&[features(&all, 0)?, features(&all, 1)?], &Step::default())?;
    let after = parameters.tensors()["bank"].to_vec2::<f32>()?;
    let mut seen = [integers(&all["indices.0"])?, integers(&all["indices.1"])?].concat();
    seen.sort_unstable();
    seen.dedup();
    let moved: Vec<u32> =
        (0..IMAGES as u32).filter(|&row| before[row as usize] != after[row as usize]).collect();
    assert_eq!(moved, seen);
    assert!(seen.len() < IMAGES && seen.len() > 3, "the fixture has images of each kind: {seen:?}");
    Ok(())
}

#[test]
fn settings_out_of_range_are_refused() {
    use univip_core::recipe::Config as _;
    for (config, key) in [
        (Config { negatives: 0, ..Config::default() }, "negatives"),
        (Config { temperature: 0.0, ..Config::default() }, "temperature"),
        (Config { momentum: 1.5, ..Config::default() }, "momentum"),
    ] {
        assert_eq!(config.check().expect_err(key).key, key);
    }
}
