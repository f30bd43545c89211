//! The loss `swav` against lightly's (`fixtures/make.py`), and what it keeps between steps.

use anyhow::{Context, Result};
use candle_core::{Device, Tensor, Var};
use std::collections::{BTreeMap, HashMap};
use univip_core::loss::{Loss, LossContext, Step};
use univip_core::networks::{Features, Output, Place};
use univip_core::nn::Parameters;
use univip_core::nn::optim::{Gradients, Optimizer};
use univip_core::recipe::{OptimizerSettings, Table};
use univip_core::registry::{Kind, Registry};
use univip_core::views::Group;
use univip_swav::Sinkhorn;

const SETTINGS: &str = "prototypes = 5\nqueue = 8\nqueue_from = 1";

type Tensors = HashMap<String, Tensor>;

fn fixture() -> Result<Tensors> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/swav.safetensors");
    Ok(candle_core::safetensors::load(path, &Device::Cpu)?)
}

fn loss(settings: &str, parameters: &Parameters) -> Result<Box<dyn Loss>> {
    accumulating(settings, parameters, 1)
}

/// With so many forward passes a step.
fn accumulating(settings: &str, parameters: &Parameters, passes: usize) -> Result<Box<dyn Loss>> {
    let group = |name, views| Group::new(name, &vec!["view1".to_string(); views], 64);
    let context = LossContext {
        groups: vec![group("scene", 2), group("local", 3)],
        sizes: BTreeMap::from([(Place::named("projector"), 6)]),
        batch: 4,
        passes,
        ..LossContext::of(parameters.trainable())
    };
    Registry::linked()?.get(Kind::Loss, "swav", "test", "losses.use")?.loss(&Table::of(settings), context)
}

/// The fixture's views, and the variables behind them by their names in it.
fn features(all: &Tensors) -> Result<(Features, BTreeMap<String, Var>)> {
    let mut vars = BTreeMap::new();
    let mut group = |prefix: &str, views: usize| -> Result<Vec<Tensor>> {
        let mut tensors = Vec::new();
        for view in 0..views {
            let name = format!("{prefix}{view}");
            let var = Var::from_tensor(&all[&name])?;
            tensors.push(var.as_tensor().clone());
            vars.insert(name, var);
        }
        Ok(tensors)
    };
    let features = Features::default()
        .with_views(Output::online("scene", "projector"), group("large", 2)?)
        .with_views(Output::online("local", "projector"), group("small", 3)?);
    Ok((features, vars))
}

fn compare(found: &Tensor, expected: &Tensor, name: &str) -> Result<()> {
    let difference = (found - expected)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
    println!("{name}: largest difference {difference:e}");
    assert!(difference < 1e-5, "{name} differs by {difference}");
    Ok(())
}

/// Puts the fixture's prototypes and queues, full or empty, into `parameters`.
fn load(parameters: &Parameters, all: &Tensors, full: bool) -> Result<()> {
    let mut values = parameters.tensors();
    values.insert("prototypes".into(), all["prototypes"].clone());
    for view in 0..2 {
        values.insert(format!("view{view}.queue"), all[&format!("queue{view}")].clone());
    }
    values.insert("filled".into(), Tensor::new(&[if full { 8f32 } else { 7.0 }], &Device::Cpu)?);
    parameters.load(&values)
}

#[test]
fn value_and_gradients_are_those_of_lightly() -> Result<()> {
    let all = fixture()?;
    for (name, full) in [("batch", false), ("queue", true)] {
        let parameters = Parameters::new(0, &Device::Cpu);
        let loss = loss(SETTINGS, &parameters)?;
        load(&parameters, &all, full)?;
        let (features, mut vars) = features(&all)?;
        let term = loss.compute(&features, &Step::default())?;
        compare(&term.value, &all[&format!("{name}.loss")], name)?;
        let gradients = term.value.backward()?;
        vars.extend(parameters.parameters());
        assert_eq!(vars.len(), 6, "five views and the prototypes");
        for (of, var) in &vars {
            let gradient = gradients.get(var).context("no gradient")?;
            compare(gradient, &all[&format!("{name}.gradient.{of}")], of)?;
        }
    }
    Ok(())
}

#[test]
fn assignments_are_those_of_lightly_and_do_not_overflow() -> Result<()> {
    let all = fixture()?;
    let sinkhorn = Sinkhorn { epsilon: 0.05, iterations: 3 };
    let found = sinkhorn.assignments(&all["scores"])?;
    compare(&found, &all["assignments"], "assignments")?;
    // exp(300 / 0.05) is far beyond a float.
    let shifted = sinkhorn.assignments(&(&all["scores"] + 300.0)?)?;
    assert!(
        (shifted - found)?.abs()?.max_all()?.to_scalar::<f32>()? < 3e-3,
        "300 costs digits and nothing else"
    );
    Ok(())
}

#[test]
fn prototypes_have_length_one_before_a_step_and_stay_those_that_are_optimised() -> Result<()> {
    let parameters = Parameters::new(0, &Device::Cpu);
    let loss = loss(SETTINGS, &parameters)?;
    loss.before_step(&Step::default())?;
    let lengths = parameters.tensors()["prototypes"].sqr()?.sum(1)?.to_vec1::<f32>()?;
    assert!(lengths.iter().all(|length| (length - 1.0).abs() < 1e-5), "{lengths:?}");
    let (features, _) = features(&fixture()?)?;
    let mut gradients = loss.compute(&features, &Step::default())?.value.backward()?;
    let gradients = Gradients::of(&mut gradients, &parameters);
    assert!(gradients.get("prototypes").is_some());
    Ok(())
}

#[test]
fn a_rule_freezes_the_prototypes_at_first() -> Result<()> {
    let parameters = Parameters::new(0, &Device::Cpu);
    let loss = loss(SETTINGS, &parameters)?;
    let settings: OptimizerSettings =
        Table::of("momentum = 0.9\nrules = [{ prefix = \"prototypes\", frozen_until = 2 }]").read()?;
    let mut optimizer = Optimizer::new(&settings, &parameters)?;
    let (features, _) = features(&fixture()?)?;
    let mut before = Vec::new();
    for number in 0..3 {
        let step = Step { number, ..Step::default() };
        loss.before_step(&step)?;
        before.push(parameters.tensors()["prototypes"].copy()?.to_vec2::<f32>()?);
        let mut gradients = loss.compute(&features, &step)?.value.backward()?;
        optimizer.step(&Gradients::of(&mut gradients, &parameters), 0.1)?;
    }
    let difference = |one: &[Vec<f32>], other: &[Vec<f32>]| {
        let pairs = one.iter().flatten().zip(other.iter().flatten());
        pairs.map(|(one, other)| (one - other).abs()).fold(0f32, f32::max)
    };
    assert!(
        difference(&before[0], &before[2]) < 1e-6,
        "two steps change nothing but the last bit of a length"
    );
    let after = parameters.tensors()["prototypes"].to_vec2::<f32>()?;
    assert!(difference(&before[2], &after) > 1e-4, "the third moves them");
    Ok(())
}

#[test]
fn a_queue_fills_from_its_epoch_and_goes_on_from_a_checkpoint_to_the_same_bits() -> Result<()> {
    let all = fixture()?;
    let [whole, resumed] = [1, 2].map(|seed| Parameters::new(seed, &Device::Cpu));
    let (through, other) = (loss(SETTINGS, &whole)?, loss(SETTINGS, &resumed)?);
    let (features, _) = features(&all)?;
    // Other features than those whose value is looked at: a queue of the same ones would not change it.
    let earlier = ["small0", "small1"].map(|name| all[name].clone());
    let passes = [Features::default().with_views(Output::online("scene", "projector"), earlier)];
    let filled =
        |parameters: &Parameters| -> Result<f32> { Ok(parameters.tensors()["filled"].to_vec1()?[0]) };
    let step = |number| Step { number, steps_per_epoch: 2, ..Step::default() };
    let value = |loss: &dyn Loss| -> Result<f32> {
        Ok(loss.compute(&features, &Step::default())?.value.to_scalar()?)
    };
    let first = value(&*through)?;
    for number in 0..2 {
        through.after_step(&passes, &step(number))?;
    }
    assert_eq!(filled(&whole)?, 0.0, "epoch 0 is before queue_from");
    through.after_step(&passes, &step(2))?;
    assert_eq!((filled(&whole)?, value(&*through)?), (4.0, first), "half a queue takes no part");
    resumed.load(&whole.tensors())?;
    for loss in [&through, &other] {
        loss.after_step(&passes, &step(3))?;
    }
    assert_ne!(value(&*through)?, first, "a full one does");
    assert_eq!(value(&*through)?.to_bits(), value(&*other)?.to_bits());
    for (name, tensor) in whole.tensors() {
        let bits = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>();
        assert_eq!(bits(&tensor)?, bits(&resumed.tensors()[&name])?, "{name}");
    }
    Ok(())
}

#[test]
fn it_says_that_accumulation_does_not_enlarge_what_prototypes_are_spread_over() -> Result<()> {
    let remarks = |passes| {
        Ok::<_, anyhow::Error>(accumulating("", &Parameters::new(0, &Device::Cpu), passes)?.remarks())
    };
    assert!(remarks(1)?.is_empty());
    assert!(remarks(2)?[0].contains("train.accumulate"));
    Ok(())
}

#[test]
fn settings_that_cannot_be_are_refused() -> Result<()> {
    let parameters = || Parameters::new(0, &Device::Cpu);
    for (settings, said) in [
        ("queue = 10", "loss.swav.queue is 10"),
        ("epsilon = 0.01", "at least 0.025"),
        ("prototypes = 1", "prototypes"),
        ("small = [\"scene\"]", "large views"),
        ("small = [\"tiny\"]", "no group `tiny`"),
    ] {
        let error = loss(settings, &parameters()).err().context(settings)?.to_string();
        assert!(error.contains(said), "{settings}: {error}");
    }
    Ok(())
}
