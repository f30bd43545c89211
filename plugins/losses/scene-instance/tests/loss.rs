//! The loss `scene-instance` against PyTorch (`fixtures/make.py`).

use anyhow::{Context, Result};
use candle_core::{Device, Tensor, Var};
use std::collections::HashMap;
use univip_core::loss::{Loss, LossContext, Step};
use univip_core::networks::{Features, Output, Place};
use univip_core::nn::Parameters;
use univip_core::nn::optim::{Gradients, Optimizer};
use univip_core::recipe::{OptimizerSettings, Table};
use univip_core::registry::{Kind, Registry};
use univip_core::views::{Group, INSTANCE, SCENE};
use univip_scene_instance as _;

#[test]
fn value_and_every_gradient_are_those_of_pytorch() -> Result<()> {
    let tensors = fixture()?;
    for k in [1, 2, 4] {
        for (layer, bias) in [("bias", true), ("plain", false)] {
            for form in ["neg-cos", "byol"] {
                let key = format!("k{k}.{layer}.{form}");
                let get = |name: &str| &tensors[&format!("{key}.{name}")];
                let parameters = Parameters::new(0, &Device::Cpu);
                let loss = loss(&format!("form = \"{form}\"\nbias = {bias}"), &parameters, k)?;
                for (name, parameter) in parameters.parameters() {
                    parameter.set(get(name.trim_start_matches("f_linear.")))?;
                }
                let online = Var::from_tensor(get("online"))?;
                let features = features(online.as_tensor(), [get("target1"), get("target2")])?;
                let value = loss.compute(&features, &Step::default())?.value;
                close(&value, get("loss"), &key)?;
                let mut store = value.backward()?;
                close(store.get(&online).context("no gradient of o")?, get("gradient.online"), &key)?;
                let gradients = Gradients::of(&mut store, &parameters);
                assert_eq!(gradients.iter().count(), if bias { 2 } else { 1 });
                for (name, gradient) in gradients.iter() {
                    let name = name.trim_start_matches("f_linear.");
                    close(gradient, get(&format!("gradient.{name}")), &format!("{key} {name}"))?;
                }
            }
        }
    }
    Ok(())
}

#[test]
fn the_gradient_is_the_slope() -> Result<()> {
    let tensors = fixture()?;
    let get = |name: &str| &tensors[&format!("k2.bias.neg-cos.{name}")];
    let loss = loss("", &Parameters::new(3, &Device::Cpu), 2)?;
    let at = |online: &Tensor| -> Result<Tensor> {
        Ok(loss.compute(&features(online, [get("target1"), get("target2")])?, &Step::default())?.value)
    };
    let online = Var::from_tensor(get("online"))?;
    let direction = get("gradient.online").affine(3.0, 0.1)?;
    let gradient = at(online.as_tensor())?.backward()?.remove(&online).context("no gradient")?;
    let along = (gradient * &direction)?.sum_all()?.to_scalar::<f32>()?;
    let step = 1e-2;
    let [above, below] = [step, -step].map(|step| at(&(online.as_tensor() + (&direction * step)?)?));
    let slope = (above?.to_scalar::<f32>()? - below?.to_scalar::<f32>()?) / (2.0 * step as f32);
    assert!((along - slope).abs() < 2e-4, "{along} against {slope}");
    Ok(())
}

#[test]
fn f_linear_is_there_before_the_first_batch_and_learns() -> Result<()> {
    // A public re-implementation made a layer in its first forward pass, after the optimiser.
    let parameters = Parameters::new(0, &Device::Cpu);
    let loss = loss("", &parameters, 4)?;
    let names: Vec<_> = parameters.parameters().into_keys().collect();
    assert_eq!(names, ["f_linear.bias", "f_linear.weight"]);
    let weight = &parameters.parameters()["f_linear.weight"];
    assert_eq!(weight.dims(), [6, 24]);
    let bound = 1.0 / 24f32.sqrt();
    let largest = weight.abs()?.max_all()?.to_scalar::<f32>()?;
    assert!(largest <= bound && largest > 0.9 * bound, "{largest} of {bound}");

    let mut optimizer = Optimizer::new(&OptimizerSettings::default(), &parameters)?;
    let tensors = fixture()?;
    let get = |name: &str| &tensors[&format!("k4.bias.neg-cos.{name}")];
    let features = features(get("online"), [get("target1"), get("target2")])?;
    let before = loss.compute(&features, &Step::default())?.value;
    for _ in 0..20 {
        let mut store = loss.compute(&features, &Step::default())?.value.backward()?;
        optimizer.step(&Gradients::of(&mut store, &parameters), 0.1)?;
    }
    let after = loss.compute(&features, &Step::default())?.value.to_scalar::<f32>()?;
    assert!(after < before.to_scalar::<f32>()? - 0.1, "{before} then {after}");
    Ok(())
}

#[test]
fn without_instances_it_is_refused() {
    let error = loss("", &Parameters::new(0, &Device::Cpu), 0).err().expect("K = 0").to_string();
    assert!(error.contains("no group `instance`"), "{error}");
}

fn fixture() -> Result<HashMap<String, Tensor>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/scene_instance.safetensors");
    Ok(candle_core::safetensors::load(path, &Device::Cpu)?)
}

fn loss(settings: &str, parameters: &Parameters, k: usize) -> Result<Box<dyn Loss>> {
    let sizes = ["predictor", "projector"].map(|head| (Place::named(head), 6));
    let instances = Group::new(INSTANCE, &vec!["view1".into(); k], 96);
    let context = LossContext {
        sizes: sizes.into(),
        groups: if k == 0 { Vec::new() } else { vec![instances] },
        ..LossContext::of(parameters.trainable())
    };
    let registry = Registry::linked()?;
    registry.get(Kind::Loss, "scene-instance", "test", "losses.use")?.loss(&Table::of(settings), context)
}

fn features(online: &Tensor, targets: [&Tensor; 2]) -> Result<Features> {
    let scenes =
        Features::default().with_views(Output::target(SCENE, "projector"), targets.map(Tensor::clone));
    scenes.with_stacked(Output::online(INSTANCE, "predictor"), online.clone())
}

fn close(value: &Tensor, expected: &Tensor, what: &str) -> Result<()> {
    let difference = (value - expected)?.abs()?.max_all()?.to_scalar::<f32>()?;
    assert!(difference < 1e-6, "{what}: {value}, expected {expected}");
    Ok(())
}
