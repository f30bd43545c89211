//! The loss `dense-cl` against PyTorch (`fixtures/make.py`): two steps, with the keys of the first in the second's queues.

use anyhow::{Context, Result};
use candle_core::{DType, Device, Tensor, Var};
use std::collections::HashMap;
use univip_core::loss::{Loss, LossContext, LossTerm, Step};
use univip_core::networks::{Features, Output, Place};
use univip_core::nn::Parameters;
use univip_core::recipe::Table;
use univip_core::registry::{Kind, Registry};
use univip_core::views::Group;
use univip_dense_cl as _;

const SETTINGS: &str = "queue = 8\nlambda = 0.3\ntemperature = 0.2";

type Tensors = HashMap<String, Tensor>;

fn fixture() -> Result<Tensors> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/dense-cl.safetensors");
    Ok(candle_core::safetensors::load(path, &Device::Cpu)?)
}

fn loss(settings: &str, parameters: &Parameters, batch: usize) -> Result<Box<dyn Loss>> {
    let group = |name| Group::new(name, &["view1".into()], 64);
    let size = |place: &str, channels| (Place::named(place), channels);
    let context = LossContext {
        groups: vec![group("query"), group("key")],
        sizes: [size("projector", 5), size("dense", 5), size("stage4", 6)].into(),
        images: 16,
        batch,
        ..LossContext::of(parameters.trainable())
    };
    let plugin = Registry::linked()?.get(Kind::Loss, "dense-cl", "test", "losses.use")?;
    plugin.loss(&Table::of(settings), context)
}

/// The fixture's features of a step, and the variables behind the online network's heads.
fn features(all: &Tensors, step: usize) -> Result<(Features, [Var; 2])> {
    let online = ["head", "dense"].map(|place| Var::from_tensor(&all[&format!("query.{place}.{step}")]));
    let [head, dense] = online;
    let (head, dense) = (head?, dense?);
    let of = |name: &str| [all[&format!("{name}.{step}")].clone()];
    let features = Features::default()
        .with_views(Output::online("query", "projector"), [head.as_tensor().clone()])
        .with_views(Output::online("query", "dense"), [dense.as_tensor().clone()])
        .with_views(Output::online("query", "stage4"), of("query.map"))
        .with_views(Output::target("key", "projector"), of("key.head"))
        .with_views(Output::target("key", "dense"), of("key.dense"))
        .with_views(Output::target("key", "stage4"), of("key.map"));
    Ok((features, [head, dense]))
}

fn compare(found: &Tensor, expected: &Tensor, name: &str) -> Result<()> {
    let difference = (found - expected)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
    println!("{name}: largest difference {difference:e}");
    assert!(difference < 5e-6, "{name} differs by {difference}");
    Ok(())
}

/// Parameters with the fixture's queues before the first step.
fn begin(all: &Tensors) -> Result<(Parameters, Box<dyn Loss>)> {
    let parameters = Parameters::new(0, &Device::Cpu);
    let loss = loss(SETTINGS, &parameters, 4)?;
    let mut values = parameters.tensors();
    for name in ["global", "dense"] {
        values.insert(format!("{name}.queue"), all[&format!("queue.{name}")].clone());
    }
    parameters.load(&values)?;
    Ok((parameters, loss))
}

fn check(term: &LossTerm, online: &[Var; 2], all: &Tensors, step: usize) -> Result<()> {
    compare(&term.value, &all[&format!("loss.{step}")], "loss")?;
    for (name, value) in &term.diagnostics[..2] {
        compare(&Tensor::new(*value, &Device::Cpu)?, &all[&format!("{name}.{step}")], name)?;
    }
    let gradients = term.value.backward()?;
    for (name, var) in ["head", "dense"].into_iter().zip(online) {
        let gradient = gradients.get(var).context("no gradient")?;
        compare(gradient, &all[&format!("gradient.{name}.{step}")], name)?;
    }
    Ok(())
}

#[test]
fn two_steps_are_those_of_pytorch_also_from_a_checkpoint_between_them() -> Result<()> {
    let all = fixture()?;
    let (first, one) = begin(&all)?;
    let second = Parameters::new(9, &Device::Cpu);
    let other = loss(SETTINGS, &second, 4)?;
    for step in 0..2 {
        let now = Step { number: step as u64, ..Step::default() };
        let running = if step == 0 { &one } else { &other };
        let (features, online) = features(&all, step)?;
        check(&running.compute(&features, &now)?, &online, &all, step)?;
        running.after_step(&[features.detached()?], &now)?;
        if step == 0 {
            second.load(&first.tensors())?;
        }
    }
    for name in ["global", "dense"] {
        compare(&second.tensors()[&format!("{name}.queue")], &all[&format!("after.{name}")], name)?;
    }
    assert!(first.parameters().is_empty(), "queues are buffers: no optimiser moves them");
    Ok(())
}

#[test]
fn the_keys_of_all_forward_passes_enter_in_their_order() -> Result<()> {
    let all = fixture()?;
    let [(one, passes), (other, steps)] = [begin(&all)?, begin(&all)?];
    let [first, second] = [features(&all, 0)?.0.detached()?, features(&all, 1)?.0.detached()?];
    passes.after_step(&[first.clone(), second.clone()], &Step::default())?;
    steps.after_step(&[first], &Step::default())?;
    steps.after_step(&[second], &Step::default())?;
    let (one, other) = (one.tensors(), other.tensors());
    for name in ["global.queue", "global.next", "dense.queue", "dense.next"] {
        let bits = |tensors: &std::collections::BTreeMap<String, Tensor>| {
            tensors[name].flatten_all()?.to_vec1::<f32>()
        };
        assert_eq!(bits(&one)?, bits(&other)?, "{name}");
    }
    Ok(())
}

#[test]
fn equal_maps_choose_one_position() -> Result<()> {
    let (_, loss) = begin(&fixture()?)?;
    let flat = Tensor::ones((4, 3, 2, 6), DType::F32, &Device::Cpu)?;
    let (features, _) = features(&fixture()?, 0)?;
    let features = features
        .with_views(Output::online("query", "stage4"), [flat.clone()])
        .with_views(Output::target("key", "stage4"), [flat]);
    let term = loss.compute(&features, &Step::default())?;
    assert_eq!(term.diagnostics[2], ("places", 1.0 / 6.0));
    Ok(())
}

#[test]
fn a_weight_of_0_leaves_the_other_head_a_gradient_of_0() -> Result<()> {
    for (weights, idle) in [("queue = 8\nlambda = 0", 1), ("queue = 8\nlambda = 1", 0)] {
        let loss = loss(weights, &Parameters::new(0, &Device::Cpu), 4)?;
        let (features, online) = features(&fixture()?, 0)?;
        let gradients = loss.compute(&features, &Step::default())?.value.backward()?;
        let largest = |var: &Var| -> Result<f32> {
            let gradient = gradients.get(var).context("no gradient, which the optimiser refuses")?;
            Ok(gradient.abs()?.flatten_all()?.max(0)?.to_scalar()?)
        };
        assert_eq!(largest(&online[idle])?, 0.0, "{weights}");
        assert!(largest(&online[1 - idle])? > 0.0, "{weights}");
    }
    Ok(())
}

#[test]
fn it_asks_each_network_for_its_own_group() -> Result<()> {
    let plugin = Registry::linked()?.get(Kind::Loss, "dense-cl", "test", "losses.use")?;
    let needs = plugin.needs(&Table::of("map = \"stage3\""))?;
    let places = ["projector", "dense", "stage3"];
    let expected =
        places.iter().flat_map(|place| [Output::online("query", place), Output::target("key", place)]);
    assert_eq!(needs, expected.collect());
    Ok(())
}

#[test]
fn queues_that_cannot_be_are_refused_and_long_ones_are_remarked() -> Result<()> {
    let parameters = || Parameters::new(0, &Device::Cpu);
    let error = loss("queue = 10", &parameters(), 4).err().context("4 does not divide 10")?.to_string();
    assert!(error.contains("loss.dense-cl.queue is 10") && error.contains("such as 8"), "{error}");
    let error = loss("lambda = 1.5", &parameters(), 4).err().context("not above 1")?.to_string();
    assert!(error.contains("lambda"), "{error}");
    assert_eq!(loss("queue = 16", &parameters(), 4)?.remarks(), Vec::<String>::new());
    assert!(loss("queue = 20", &parameters(), 4)?.remarks()[0].contains("longer than the 16 images"));
    Ok(())
}

#[test]
fn a_dense_head_that_is_not_dense_is_named() -> Result<()> {
    let (_, loss) = begin(&fixture()?)?;
    let (features, _) = features(&fixture()?, 0)?;
    let pooled = Tensor::ones((4, 5), DType::F32, &Device::Cpu)?;
    let features = features
        .with_views(Output::online("query", "dense"), [pooled.clone()])
        .with_views(Output::target("key", "dense"), [pooled]);
    let error = loss.compute(&features, &Step::default()).err().context("no map")?.to_string();
    assert!(error.contains("stage4"), "{error}");
    Ok(())
}
