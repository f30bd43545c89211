//! Optimisers, schedules and Eq. 1 against PyTorch (`fixtures/method/make.py`).

use anyhow::Result;
use candle_core::{Device, Tensor};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use univip_core::networks::target;
use univip_core::nn::optim::{Decay, Gradients, Optimizer, Schedule, peak_lr, target_momentum};
use univip_core::nn::{Init, Parameters};
use univip_core::recipe::{
    Config, OptimizerKind, OptimizerSettings, ParameterRule, ScheduleSemantics, ScheduleSettings,
};

mod rules;

#[test]
fn ten_steps_of_each_optimiser_end_where_pytorch_ends() -> Result<()> {
    let tensors = fixture()?;
    for (optimiser, settings) in [
        ("sgd", settings(OptimizerKind::Sgd)),
        ("sgd-nesterov", OptimizerSettings { nesterov: true, ..settings(OptimizerKind::Sgd) }),
        ("lars", settings(OptimizerKind::Lars)),
        ("lars-lr-inside", settings(OptimizerKind::LarsLrInside)),
        ("adamw", settings(OptimizerKind::AdamW)),
    ] {
        for (suffix, decay_bias_and_norm) in [("all", true), ("weights", false)] {
            let parameters = parameters(&tensors)?;
            let settings = OptimizerSettings { decay_bias_and_norm, ..settings.clone() };
            let mut optimizer = Optimizer::new(&settings, &parameters)?;
            for (step, lr) in rates(&tensors)?.into_iter().enumerate() {
                optimizer.step(&gradients(&tensors, step)?, lr)?;
            }
            for (name, value) in parameters.tensors() {
                let expected = &tensors[&format!("{optimiser}.{suffix}.{name}")];
                close(&value, expected, &format!("{optimiser} {suffix} {name}"))?;
            }
        }
    }
    Ok(())
}

#[test]
fn where_batch_norm_alone_does_not_decay_biases_do() -> Result<()> {
    let tensors = fixture()?;
    let parameters = parameters(&tensors)?;
    let settings = settings(OptimizerKind::Sgd);
    let mut optimizer = Optimizer::with_decay(&settings, Decay::AllButNorm, &parameters)?;
    for (step, lr) in rates(&tensors)?.into_iter().enumerate() {
        optimizer.step(&gradients(&tensors, step)?, lr)?;
    }
    for (name, value) in parameters.parameters() {
        let suffix = if name == "norm.weight" { "weights" } else { "all" };
        close(&value, &tensors[&format!("sgd.{suffix}.{name}")], &name)?;
    }
    Ok(())
}

#[test]
fn the_two_variants_of_lars_part_only_when_the_learning_rate_changes() -> Result<()> {
    let tensors = fixture()?;
    let after_two_steps = |kind, rates: [f64; 2]| -> Result<Vec<f32>> {
        let parameters = parameters(&tensors)?;
        let mut optimizer = Optimizer::new(&settings(kind), &parameters)?;
        for (step, lr) in rates.into_iter().enumerate() {
            optimizer.step(&gradients(&tensors, step)?, lr)?;
        }
        Ok(parameters.tensors()["head.bias"].to_vec1()?)
    };
    let difference = |rates| -> Result<f32> {
        let one = after_two_steps(OptimizerKind::Lars, rates)?;
        let other = after_two_steps(OptimizerKind::LarsLrInside, rates)?;
        Ok(one.iter().zip(other).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max))
    };
    assert!(difference([0.5, 0.5])? < 1e-6);
    assert!(difference([0.5, 0.25])? > 1e-5);
    Ok(())
}

#[test]
fn a_resumed_optimiser_goes_on_exactly_as_the_one_that_never_stopped() -> Result<()> {
    let tensors = fixture()?;
    let frozen = ParameterRule { prefix: "head".into(), frozen_until: Some(7), ..ParameterRule::default() };
    for settings in [
        settings(OptimizerKind::Sgd),
        settings(OptimizerKind::AdamW),
        OptimizerSettings { rules: vec![frozen], ..settings(OptimizerKind::AdamW) },
    ] {
        let whole = parameters(&tensors)?;
        let mut optimizer = Optimizer::new(&settings, &whole)?;
        let halved = parameters(&tensors)?;
        let mut first = Optimizer::new(&settings, &halved)?;
        for step in 0..5 {
            optimizer.step(&gradients(&tensors, step)?, 0.1)?;
            first.step(&gradients(&tensors, step)?, 0.1)?;
        }
        let mut second = Optimizer::new(&settings, &halved)?;
        second.load_state(&first.state())?;
        for step in 5..10 {
            optimizer.step(&gradients(&tensors, step)?, 0.1)?;
            second.step(&gradients(&tensors, step)?, 0.1)?;
        }
        for (name, value) in whole.tensors() {
            assert_eq!(flat(&value)?, flat(&halved.tensors()[&name])?, "{name} of {settings:?}");
        }
    }
    Ok(())
}

#[test]
fn a_state_that_does_not_fit_is_refused_with_every_reason() -> Result<()> {
    let mut optimizer = Optimizer::new(&settings(OptimizerKind::Sgd), &parameters(&fixture()?)?)?;
    let mut state = optimizer.state();
    state.remove("head.bias");
    state.insert("norm.weight".into(), Tensor::zeros(9, candle_core::DType::F32, &Device::Cpu)?);
    state.insert("projector.weight".into(), Tensor::zeros(1, candle_core::DType::F32, &Device::Cpu)?);
    let error = format!("{:#}", optimizer.load_state(&state).expect_err("three misfits"));
    for part in ["1 missing: head.bias", "norm.weight is [9], expected [4]", "1 unexpected: projector.weight"]
    {
        assert!(error.contains(part), "{error}");
    }
    Ok(())
}

#[test]
fn a_parameter_that_no_loss_depends_on_is_an_error_and_nothing_moves() -> Result<()> {
    let tensors = fixture()?;
    let parameters = parameters(&tensors)?;
    let mut optimizer = Optimizer::new(&settings(OptimizerKind::Sgd), &parameters)?;
    let all_but_one =
        gradients(&tensors, 0)?.iter().filter(|(name, _)| *name != "head.bias").map(owned).collect();
    let error = optimizer.step(&all_but_one, 0.1).expect_err("head.bias has no gradient").to_string();
    assert!(error.contains("head.bias"), "{error}");
    for (name, value) in parameters.tensors() {
        assert_eq!(flat(&value)?, flat(&tensors[&format!("initial.{name}")])?, "{name}");
    }
    Ok(())
}

#[test]
fn a_parameter_made_after_the_optimiser_is_an_error() -> Result<()> {
    let parameters = Parameters::new(0, &Device::Cpu);
    let early = parameters.trainable().weight("early", 2, Init::Constant(1.0))?;
    let mut optimizer = Optimizer::new(&settings(OptimizerKind::Sgd), &parameters)?;
    let late = parameters.trainable().weight("projector.weight", 2, Init::Constant(1.0))?;
    let mut store = (early + late)?.sum_all()?.backward()?;
    let error =
        optimizer.step(&Gradients::of(&mut store, &parameters), 0.1).expect_err("made too late").to_string();
    assert!(error.contains("projector.weight"), "{error}");
    Ok(())
}

#[test]
fn accumulated_passes_are_one_pass_over_all_their_images() -> Result<()> {
    let parameters = Parameters::new(0, &Device::Cpu);
    let weight = parameters.trainable().weight("weight", 3, Init::Normal { std: 1.0 })?;
    let images = Tensor::new(&[[1f32, 2., 3.], [4., 5., 6.], [-1., 0., 1.], [2., 2., 0.]], &Device::Cpu)?;
    let pass = |images: &Tensor| -> Result<Gradients> {
        let loss = images.broadcast_mul(&weight)?.sqr()?.sum(1)?.mean_all()?;
        Ok(Gradients::of(&mut loss.backward()?, &parameters))
    };
    let whole = pass(&images)?;
    let mut halves = Gradients::default();
    halves.add(pass(&images.narrow(0, 0, 2)?)?)?;
    halves.add(pass(&images.narrow(0, 2, 2)?)?)?;
    halves.scale(0.5)?;
    let pair = (halves.get("weight"), whole.get("weight"));
    let (Some(halves), Some(whole)) = pair else { anyhow::bail!("no gradient of weight") };
    close(halves, whole, "accumulated")
}

#[test]
fn the_learning_rate_is_the_references_at_each_step_of_a_run() -> Result<()> {
    for run in schedules()?.runs {
        let Run { semantics, warmup_epochs, ref drops, drop_factor, .. } = run;
        let settings = ScheduleSettings { semantics, warmup_epochs, drops: drops.clone(), drop_factor };
        settings.clone().completed().check().map_err(|invalid| anyhow::anyhow!(invalid.problem))?;
        let schedule = Schedule::new(&settings, run.peak, run.epochs, run.steps_per_epoch);
        assert_eq!(run.lr.len() as u64, run.epochs * run.steps_per_epoch);
        for (step, expected) in run.lr.iter().enumerate() {
            let lr = schedule.lr(step as u64);
            assert!((lr - expected).abs() < 1e-12, "{settings:?} step {step}: {lr}, expected {expected}");
        }
    }
    Ok(())
}

#[test]
fn coco_pre_training_peaks_at_0_4() {
    // The paper's 0.2 is for 256 images and its batch has 512: a public re-implementation used 0.2.
    assert_eq!(peak_lr(0.2, 512), 0.4);
    let schedule = Schedule::new(&ScheduleSettings::default(), peak_lr(0.2, 512), 800, 231);
    let highest = (0..800 * 231).map(|step| schedule.lr(step)).fold(0.0, f64::max);
    assert!((0.399..=0.4).contains(&highest), "{highest}");
}

#[test]
fn the_targets_momentum_rises_along_a_cosine_to_1() -> Result<()> {
    for Momentum { initial, values } in schedules()?.momenta {
        let steps = values.len() as u64;
        for (step, expected) in values.iter().enumerate() {
            assert!(
                (target_momentum(initial, step as u64, steps) - expected).abs() < 1e-12,
                "{initial} {step}"
            );
        }
        assert_eq!(target_momentum(initial, steps, steps), 1.0);
    }
    Ok(())
}

#[test]
fn the_target_averages_parameters_as_pytorch_and_never_buffers() -> Result<()> {
    let tensors = fixture()?;
    let [target, online] = [(); 2].map(|()| Parameters::new(0, &Device::Cpu));
    target.frozen().weight("p", (4, 2), Init::Constant(0.0))?;
    let own = target.frozen().buffer("running_mean", 2, 0.25)?;
    online.trainable().weight("p", (4, 2), Init::Constant(0.0))?;
    online.trainable().buffer("running_mean", 2, 7.0)?;
    online.trainable().weight("predictor", 3, Init::Constant(0.0))?;
    target.parameters()["p"].set(&tensors["ema.initial"])?;
    for (step, momentum) in [0.99, 0.5, 0.999].into_iter().enumerate() {
        online.parameters()["p"].set(&tensors["ema.online"].get(step)?)?;
        target::update(&target, &online, momentum)?;
    }
    close(&target.tensors()["p"], &tensors["ema.final"], "average")?;
    assert_eq!(flat(&own)?, [0.25, 0.25]);
    assert_eq!(target.tensors().len(), 2, "the predictor is the online network's alone");
    Ok(())
}

#[test]
fn the_target_starts_as_a_copy_of_parameters_and_buffers_that_shares_nothing() -> Result<()> {
    let [target, online] = [1, 2].map(|seed| Parameters::new(seed, &Device::Cpu));
    for parameters in [&target, &online] {
        parameters.trainable().weight("p", 3, Init::Normal { std: 1.0 })?;
    }
    target.frozen().buffer("b", 1, 0.0)?;
    online.trainable().buffer("b", 1, 5.0)?;
    target::copy_from(&target, &online)?;
    let start = flat(&online.tensors()["p"])?;
    online.parameters()["p"].set(&Tensor::zeros(3, candle_core::DType::F32, &Device::Cpu)?)?;
    assert_eq!(flat(&target.tensors()["p"])?, start);
    assert_eq!(flat(&target.tensors()["b"])?, [5.0]);
    target.frozen().weight("extra", 1, Init::Constant(0.0))?;
    let error = target::copy_from(&target, &online).expect_err("online has no extra").to_string();
    assert!(error.contains("extra"), "{error}");
    Ok(())
}

#[derive(Deserialize)]
struct Schedules {
    runs: Vec<Run>,
    momenta: Vec<Momentum>,
}

#[derive(Deserialize)]
struct Run {
    semantics: ScheduleSemantics,
    peak: f64,
    epochs: u64,
    steps_per_epoch: u64,
    warmup_epochs: f64,
    #[serde(default)]
    drops: Vec<f64>,
    drop_factor: Option<f64>,
    lr: Vec<f64>,
}

#[derive(Deserialize)]
struct Momentum {
    initial: f64,
    values: Vec<f64>,
}

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/method").join(file)
}

fn schedules() -> Result<Schedules> {
    Ok(serde_json::from_str(&std::fs::read_to_string(path("schedules.json"))?)?)
}

fn fixture() -> Result<HashMap<String, Tensor>> {
    Ok(candle_core::safetensors::load(path("optimizers.safetensors"), &Device::Cpu)?)
}

/// The hyper-parameters of `make.py`.
fn settings(kind: OptimizerKind) -> OptimizerSettings {
    let settings =
        OptimizerSettings { kind, momentum: 0.9, weight_decay: 1e-2, ..OptimizerSettings::default() };
    match kind {
        OptimizerKind::AdamW => OptimizerSettings { beta2: Some(0.99), epsilon: Some(1e-6), ..settings },
        _ => OptimizerSettings { trust: 1e-3, ..settings },
    }
}

fn parameters(tensors: &HashMap<String, Tensor>) -> Result<Parameters> {
    let parameters = Parameters::new(0, &Device::Cpu);
    let mut initial = BTreeMap::new();
    for (name, value) in
        tensors.iter().filter_map(|(name, value)| Some((name.strip_prefix("initial.")?, value)))
    {
        let scope = parameters.trainable();
        match name.rsplit_once('.') {
            Some(("norm", _)) => scope.norm(name, value.shape(), Init::Constant(0.0))?,
            Some((_, "bias")) => scope.bias(name, value.shape(), Init::Constant(0.0))?,
            _ => scope.weight(name, value.shape(), Init::Constant(0.0))?,
        };
        initial.insert(name.to_owned(), value.clone());
    }
    parameters.load(&initial)?;
    Ok(parameters)
}

fn rates(tensors: &HashMap<String, Tensor>) -> Result<Vec<f64>> {
    Ok(tensors["rates"].to_vec1()?)
}

fn gradients(tensors: &HashMap<String, Tensor>, step: usize) -> Result<Gradients> {
    let named = tensors.iter().filter_map(|(name, value)| Some((name.strip_prefix("gradients.")?, value)));
    named.map(|(name, value)| Ok((name.to_owned(), value.get(step)?))).collect()
}

fn owned((name, gradient): (&String, &Tensor)) -> (String, Tensor) {
    (name.clone(), gradient.clone())
}

fn flat(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.flatten_all()?.to_vec1()?)
}

fn close(value: &Tensor, expected: &Tensor, what: &str) -> Result<()> {
    assert_eq!(value.dims(), expected.dims(), "{what}");
    for (value, expected) in flat(value)?.into_iter().zip(flat(expected)?) {
        assert!(
            (value - expected).abs() <= 2e-6 * (1.0 + expected.abs()),
            "{what}: {value}, expected {expected}"
        );
    }
    Ok(())
}
