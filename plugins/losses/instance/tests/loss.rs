//! The loss `instance` against PyTorch (`fixtures/make.py`), and what it says about collapse.

use anyhow::{Context, Result};
use candle_core::{DType, Device, Tensor, Var};
use std::collections::HashMap;
use univip_core::loss::{Loss, LossContext, LossTerm, Step};
use univip_core::networks::{Features, Output};
use univip_core::nn::Parameters;
use univip_core::recipe::Table;
use univip_core::registry::{Kind, Registry};
use univip_core::views::{INSTANCE, INSTANCE_TARGET, SCENE};
use univip_instance as _;

const MODES: [&str; 3] = ["sum-to-one", "sum-to-k", "literal"];

#[test]
fn value_gradient_and_diagnostics_are_those_of_pytorch() -> Result<()> {
    let tensors = fixture()?;
    // In `zeros` one image has no weight at all and another one has an instance without weight.
    for case in ["k1", "k2", "k4", "zeros"] {
        for mode in MODES {
            let what = format!("{case} {mode}");
            let online = Var::from_tensor(&tensors[&format!("{case}.online")])?;
            let features = features(&tensors, case)?
                .with_stacked(Output::online(INSTANCE, "predictor"), online.as_tensor().clone())?;
            let term = loss(&format!("marginals = \"{mode}\""))?.compute(&features, &Step::default())?;
            let expected: Vec<f32> = tensors[&format!("{case}.{mode}.expected")].to_vec1()?;
            let value = term.value.to_scalar::<f32>()?;
            assert!(
                (value - expected[0]).abs() < 1e-5 * (1.0 + expected[0].abs()),
                "{what}: {value} {expected:?}"
            );
            for (name, expected) in ["diagonal", "similarity"].into_iter().zip(&expected[1..]) {
                match diagnostic(&term, name) {
                    Some(value) => {
                        assert!((value - expected).abs() < 1e-5, "{what} {name}: {value} {expected}")
                    }
                    None => assert_eq!((case, name), ("k1", "similarity"), "one instance has no other"),
                }
            }
            let gradient = term.value.backward()?.remove(&online).context("no gradient")?;
            let expected = &tensors[&format!("{case}.{mode}.gradient")];
            let difference = (gradient - expected)?.abs()?.max_all()?.to_scalar::<f32>()?;
            let size = expected.abs()?.max_all()?.to_scalar::<f32>()?;
            assert!(difference < 1e-5 * (1.0 + size), "{what}: off by {difference} of {size}");
        }
    }
    Ok(())
}

#[test]
fn normalised_marginals_make_the_loss_blind_to_the_features_length() -> Result<()> {
    let tensors = fixture()?;
    for mode in MODES {
        let values: Vec<f32> = ["scale0.1", "scale1", "scale10"]
            .into_iter()
            .map(|case| {
                let term = loss(&format!("marginals = \"{mode}\""))?
                    .compute(&features(&tensors, case)?, &Step::default())?;
                let value = term.value.to_scalar::<f32>()?;
                let expected = tensors[&format!("{case}.{mode}.expected")].to_vec1::<f32>()?[0];
                assert!((value / expected - 1.0).abs() < 1e-4, "{case} {mode}: {value}, expected {expected}");
                Ok(value)
            })
            .collect::<Result<_>>()?;
        // Taken literally, Eq. 9 and 10 make it grow with the square of the length.
        let growth = if mode == "literal" { 100.0 } else { 1.0 };
        for pair in values.windows(2) {
            assert!((pair[1] / pair[0] / growth - 1.0).abs() < 1e-4, "{mode}: {values:?}");
        }
    }
    Ok(())
}

#[test]
fn equal_features_of_all_instances_are_at_the_minimum_and_the_diagnostics_tell() -> Result<()> {
    let same = Tensor::ones((2, 4, 8), DType::F32, &Device::Cpu)?;
    let scene = Tensor::ones((2, 8), DType::F32, &Device::Cpu)?;
    let scenes = [scene.clone(), scene];
    let features = of([scenes.clone(), scenes], [same.clone(), same])?;
    let term = loss("")?.compute(&features, &Step::default())?;
    assert!((term.value.to_scalar::<f32>()? + 1.0).abs() < 1e-6);
    assert!(diagnostic(&term, "diagonal").is_some_and(|value| (value - 0.25).abs() < 1e-6), "{term:?}");
    assert!(diagnostic(&term, "similarity").is_some_and(|value| (value - 1.0).abs() < 1e-6), "{term:?}");
    assert!(diagnostic(&term, "entropy").is_some_and(|value| (value - 1.0).abs() < 1e-6), "{term:?}");
    Ok(())
}

#[test]
fn the_gradient_is_the_slope_where_the_plan_is_constant() -> Result<()> {
    // Scenes of zeros give every instance the same weight, and a huge epsilon a plan of equal flows.
    let tensors = fixture()?;
    let zero = Tensor::zeros((3, 8), DType::F64, &Device::Cpu)?;
    let double = |name: &str| tensors[name].to_dtype(DType::F64);
    let (online, target) = (Var::from_tensor(&double("k4.online")?)?, double("k4.target")?);
    let direction = double("k4.literal.gradient")?.affine(0.1, 0.3)?;
    let loss = loss("epsilon = 1e9")?;
    let at = |online: &Tensor| -> Result<Tensor> {
        let scenes = [zero.clone(), zero.clone()];
        let features = of([scenes.clone(), scenes], [online.clone(), target.clone()])?;
        Ok(loss.compute(&features, &Step::default())?.value)
    };
    let gradient = at(online.as_tensor())?.backward()?.remove(&online).context("no gradient")?;
    let along = (gradient * &direction)?.sum_all()?.to_scalar::<f64>()?;
    let step = 1e-5;
    let [above, below] = [step, -step].map(|step| at(&(online.as_tensor() + (&direction * step)?)?));
    let slope = (above?.to_scalar::<f64>()? - below?.to_scalar::<f64>()?) / (2.0 * step);
    assert!((along - slope).abs() < 1e-6 * (1.0 + slope.abs()), "{along} against {slope}");
    Ok(())
}

#[test]
fn settings_that_make_no_plan_are_refused() {
    for (settings, key) in
        [("epsilon = 0.0", "epsilon"), ("epsilon = nan", "epsilon"), ("iterations = 0", "iterations")]
    {
        let error = loss(settings).err().expect(settings).to_string();
        assert!(error.contains(key), "{error}");
    }
    assert!(loss("marginals = \"sum-to-two\"").is_err());
}

fn fixture() -> Result<HashMap<String, Tensor>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/instance.safetensors");
    Ok(candle_core::safetensors::load(path, &Device::Cpu)?)
}

fn features(tensors: &HashMap<String, Tensor>, case: &str) -> Result<Features> {
    let get = |name: &str| tensors[&format!("{case}.{name}")].clone();
    let scenes = [["online1", "online2"], ["target1", "target2"]].map(|pair| pair.map(get));
    of(scenes, ["online", "target"].map(get))
}

/// Features of scenes `[B, D]` and instances `[B, K, D]`, online and target.
fn of([online, target]: [[Tensor; 2]; 2], [instances, targets]: [Tensor; 2]) -> Result<Features> {
    Features::default()
        .with_views(Output::online(SCENE, "predictor"), online)
        .with_views(Output::target(SCENE, "projector"), target)
        .with_stacked(Output::online(INSTANCE, "predictor"), instances)?
        .with_stacked(Output::target(INSTANCE_TARGET, "projector"), targets)
}

fn loss(settings: &str) -> Result<Box<dyn Loss>> {
    let context = LossContext::of(Parameters::new(0, &Device::Cpu).trainable());
    Registry::linked()?.get(Kind::Loss, "instance", "test", "losses.use")?.loss(&Table::of(settings), context)
}

fn diagnostic(term: &LossTerm, name: &str) -> Option<f32> {
    term.diagnostics.iter().find(|(own, _)| *own == name).map(|(_, value)| *value)
}
