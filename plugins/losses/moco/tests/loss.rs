//! The loss `moco` and its queue against lightly (`fixtures/make.py`).

use anyhow::{Context, Result};
use candle_core::{Device, Tensor, Var};
use std::collections::BTreeMap;
use univip_core::loss::{Loss, LossContext, Step};
use univip_core::networks::{Features, Output, Place};
use univip_core::nn::Parameters;
use univip_core::recipe::Table;
use univip_core::registry::{Kind, Registry};
use univip_core::views::Group;
use univip_moco as _;

const STEPS: usize = 5;
const BATCH: usize = 4;
const SIZE: usize = 7;

type Tensors = std::collections::HashMap<String, Tensor>;

fn fixture() -> Result<Tensors> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/moco.safetensors");
    Ok(candle_core::safetensors::load(path, &Device::Cpu)?)
}

/// The loss with a queue of 12 keys, of the fixture's initial values.
fn moco(fixture: &Tensors, temperature: f64) -> Result<(Box<dyn Loss>, Parameters)> {
    let parameters = Parameters::new(0, &Device::Cpu);
    let loss = loss(&format!("queue = 12\ntemperature = {temperature}"), &parameters, 1000)?;
    let mut values = parameters.tensors();
    values.insert("queue".into(), fixture["queue"].clone());
    parameters.load(&values)?;
    Ok((loss, parameters))
}

fn loss(settings: &str, parameters: &Parameters, images: usize) -> Result<Box<dyn Loss>> {
    let groups = ["query", "key"].map(|name| Group::new(name, &["view1".into()], 32));
    let context = LossContext {
        sizes: BTreeMap::from([(Place::named("projector"), SIZE)]),
        groups: groups.into(),
        images,
        batch: BATCH,
        ..LossContext::of(parameters.trainable())
    };
    Registry::linked()?.get(Kind::Loss, "moco", "test", "losses.use")?.loss(&Table::of(settings), context)
}

fn features(query: &Tensor, key: &Tensor) -> Features {
    Features::default()
        .with_views(Output::online("query", "projector"), [query.clone()])
        .with_views(Output::target("key", "projector"), [key.clone()])
}

/// Step `number` of the fixture.
fn step_of(fixture: &Tensors, number: usize) -> Result<Features> {
    Ok(features(&fixture["queries"].get(number)?, &fixture["keys"].get(number)?))
}

fn difference(found: &Tensor, expected: &Tensor) -> Result<f32> {
    Ok((found - expected)?.abs()?.flatten_all()?.max(0)?.to_scalar()?)
}

#[test]
fn five_steps_are_those_of_lightly() -> Result<()> {
    let fixture = fixture()?;
    for temperature in [0.07, 0.2] {
        let of = |name: &str, number: usize| fixture[&format!("{temperature}.{name}")].get(number);
        let (loss, parameters) = moco(&fixture, temperature)?;
        let mut worst = [0f32; 4];
        for number in 0..STEPS {
            let query = Var::from_tensor(&fixture["queries"].get(number)?)?;
            let now = features(query.as_tensor(), &fixture["keys"].get(number)?);
            let term = loss.compute(&now, &Step::default())?;
            let gradient = term.value.backward()?.remove(&query).context("no gradient")?;
            loss.after_step(&[now.detached()?], &Step::default())?;
            let positive = Tensor::new(term.diagnostics[0].1, &Device::Cpu)?;
            let found = [
                (term.value, "losses"),
                (gradient, "gradients"),
                (parameters.tensors()["queue"].clone(), "queues"),
                (positive, "positives"),
            ];
            for (worst, (found, name)) in worst.iter_mut().zip(found) {
                *worst = worst.max(difference(&found, &of(name, number)?)?);
            }
        }
        println!("{temperature}: largest differences {worst:?} of losses, gradients, queues, positives");
        assert!(worst.iter().all(|worst| *worst < 2e-6), "{temperature}: off by {worst:?}");
    }
    Ok(())
}

#[test]
fn the_keys_of_all_forward_passes_enter_after_the_step_in_their_order() -> Result<()> {
    let fixture = fixture()?;
    let (apart, expected) = moco(&fixture, 0.2)?;
    let (together, found) = moco(&fixture, 0.2)?;
    let passes: Vec<Features> = (0..STEPS).map(|number| step_of(&fixture, number)).collect::<Result<_>>()?;
    let before = together.compute(&passes[1], &Step::default())?.value.to_scalar::<f32>()?;
    together.compute(&passes[0], &Step::default())?;
    let again = together.compute(&passes[1], &Step::default())?.value.to_scalar::<f32>()?;
    assert_eq!(before.to_bits(), again.to_bits(), "no pass of a step sees the keys of another");
    for pass in &passes {
        apart.after_step(std::slice::from_ref(pass), &Step::default())?;
    }
    together.after_step(&passes[..3], &Step::default())?;
    together.after_step(&passes[3..], &Step::default())?;
    for name in ["queue", "next"] {
        assert_eq!(difference(&found.tensors()[name], &expected.tensors()[name])?, 0.0, "{name}");
    }
    assert_eq!(found.tensors()["next"].to_vec1::<f32>()?, [8.0], "two batches after the first full round");
    Ok(())
}

#[test]
fn a_queue_goes_on_from_a_checkpoint_to_the_same_bits() -> Result<()> {
    let fixture = fixture()?;
    let (whole, expected) = moco(&fixture, 0.2)?;
    let (first, saved) = moco(&fixture, 0.2)?;
    for number in 0..2 {
        whole.after_step(&[step_of(&fixture, number)?], &Step::default())?;
        first.after_step(&[step_of(&fixture, number)?], &Step::default())?;
    }
    let (resumed, found) = moco(&fixture, 0.2)?;
    found.load(&saved.tensors())?;
    for number in 2..STEPS {
        let losses =
            [&whole, &resumed].map(|loss| loss.compute(&step_of(&fixture, number)?, &Step::default()));
        let [one, other] = losses;
        assert_eq!(difference(&one?.value, &other?.value)?, 0.0, "step {number}");
        for loss in [&whole, &resumed] {
            loss.after_step(&[step_of(&fixture, number)?], &Step::default())?;
        }
    }
    for name in ["queue", "next"] {
        assert_eq!(difference(&found.tensors()[name], &expected.tensors()[name])?, 0.0, "{name}");
    }
    Ok(())
}

#[test]
fn the_queue_is_no_parameter_and_follows_from_the_seed() -> Result<()> {
    let made = |seed| -> Result<Tensor> {
        let parameters = Parameters::new(seed, &Device::Cpu);
        loss("queue = 12", &parameters, 1000)?;
        assert!(parameters.parameters().is_empty(), "no optimiser moves it");
        Ok(parameters.tensors()["queue"].clone())
    };
    assert_eq!(difference(&made(1)?, &made(1)?)?, 0.0);
    assert!(difference(&made(1)?, &made(2)?)? > 0.1);
    let lengths = made(1)?.sqr()?.sum(1)?;
    assert!(difference(&lengths, &lengths.ones_like()?)? < 1e-6, "keys have length one at first");
    Ok(())
}

#[test]
fn a_queue_longer_than_the_data_is_told() -> Result<()> {
    let remarks = |images| {
        Ok::<_, anyhow::Error>(loss("queue = 12", &Parameters::new(0, &Device::Cpu), images)?.remarks())
    };
    assert_eq!(remarks(12)?, [""; 0]);
    let told = remarks(11)?;
    assert!(told.len() == 1 && told[0].contains("12 keys") && told[0].contains("11 images"), "{told:?}");
    Ok(())
}

#[test]
fn what_cannot_be_is_refused() -> Result<()> {
    for (settings, said) in [
        ("queue = 10", "expected a multiple of 4, such as 8"),
        ("queue = 3", "such as 4"),
        ("queue = 0", "queue"),
        ("temperature = -0.1", "temperature"),
        ("query = \"scene\"", "scene"),
        ("momentum = 0.9", "momentum"),
    ] {
        let error = loss(settings, &Parameters::new(0, &Device::Cpu), 1000).err().expect(settings);
        assert!(format!("{error:#}").contains(said), "{settings}: {error:#}");
    }
    Ok(())
}
