//! Whole training steps against a fixture that PyTorch made.

use crate::workspace;
use anyhow::{Context, Result, ensure};
use candle_core::{DType, Device, Tensor};
use std::collections::BTreeMap;
use univip_core::assemble::{Assembly, DataFacts};
use univip_core::networks::target;
use univip_core::nn::layout::{from_torchvision, to_torchvision};
use univip_core::nn::optim::Optimizer;
use univip_core::recipe::{Recipe, Sources};
use univip_core::registry::Registry;
use univip_core::step::Method;
use univip_core::views::{Batch, Facts};

/// The images of a step of the methods' fixtures.
pub const BATCH: usize = 8;

/// Tensors by name.
pub type Tensors = BTreeMap<String, Tensor>;

/// The largest difference from the fixture that passes, as a share of a tensor's largest value.
pub const TOLERANCE: f32 = 1e-4;

/// `tests/fixtures/<name>.safetensors`.
pub fn fixture(name: &str) -> Result<Tensors> {
    let path = workspace().join(format!("tests/fixtures/{name}.safetensors"));
    Ok(candle_core::safetensors::load(path, &Device::Cpu)?.into_iter().collect())
}

/// The tensors whose names begin with `part`, without it.
pub fn part(all: &Tensors, part: &str) -> Tensors {
    let inside = all.iter().filter_map(|(name, value)| Some((name.strip_prefix(part)?, value)));
    inside.map(|(name, value)| (name.to_string(), value.clone())).collect()
}

/// The method of a recipe (`methods/moco-v2`) with what is set, at no scale, for `images` images: small networks, which start from the
/// tensors `initial.*` of a fixture, and what the loss remembers from `remembered`, by its own names.
pub fn method(
    recipe: &str,
    sets: &[&str],
    images: usize,
    fixture: &Tensors,
    remembered: Tensors,
) -> Result<Method> {
    let experiments = workspace().join("experiments");
    let batch = format!("train.batch={BATCH}");
    let small = ["network.backbone=resnet18", "network.width=4", "head.projector.output=16", &batch];
    let recipe = Recipe::load(&Sources {
        path: experiments.join(format!("recipes/{recipe}.toml")),
        scales: experiments.join("scales"),
        sets: small.iter().chain(sets).map(ToString::to_string).collect(),
        ..Sources::default()
    })?;
    let registry = Registry::linked()?;
    let parts = Assembly::new(&recipe, &registry);
    let groups = parts.view_sampler()?.groups();
    let networks = parts.networks(groups.clone(), 0, &Device::Cpu)?;
    let losses = parts.losses(&networks, &DataFacts { groups: &groups, images, classes: 0 })?;
    let mut initial = networks.online().tensors();
    initial.extend(from_torchvision(&part(fixture, "initial."))?);
    initial.extend(remembered);
    networks.online().load(&initial)?;
    target::copy_from(networks.target(), networks.online())?;
    let optimizer = Optimizer::new(&recipe.settings.optimizer, networks.online())?;
    Ok(Method { networks, losses, optimizer })
}

/// The networks' tensors but for the loss's own, by torchvision's names.
pub fn of_networks(tensors: Tensors) -> Result<Tensors> {
    to_torchvision(&tensors.into_iter().filter(|(name, _)| !name.starts_with("loss.")).collect())
}

/// The images of a step, `[views * B, S, S, 3]`, a pixel being u8 / 127.5 - 1.
pub fn images(fixture: &Tensors, name: &str, number: usize) -> Result<Tensor> {
    let images = fixture.get(name).context("the fixture lacks images")?.get(number)?.flatten(0, 1)?;
    Ok(((images.to_dtype(DType::F32)? / 127.5)? - 1.0)?)
}

/// A query and a key for each image: the batch of a step of a fixture.
pub fn query_and_key(fixture: &Tensors, number: usize) -> Result<Batch> {
    let images = |group: &str| Ok((group.to_string(), images(fixture, group, number)?));
    Ok(Batch {
        groups: ["query", "key"].into_iter().map(images).collect::<Result<_>>()?,
        facts: Facts { number: number as u64, indices: (0..BATCH).collect(), ..Facts::default() },
        ids: (0..BATCH).map(|place| place.to_string()).collect(),
        skipped: Vec::new(),
    })
}

/// The largest difference of two tensors as a share of the expected one's largest value.
pub fn relative_difference(found: &Tensor, expected: &Tensor) -> Result<f32> {
    let largest = expected.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
    let difference = (found - expected)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
    Ok(difference / largest.max(1e-6))
}

/// Refuses tensors that are not the expected ones, by name and value; the largest relative difference.
pub fn check_all(part: &str, found: &Tensors, expected: &Tensors) -> Result<f32> {
    ensure!(!expected.is_empty());
    let names: Vec<_> = found.keys().collect();
    ensure!(names == expected.keys().collect::<Vec<_>>(), "{part}: {names:?}");
    let mut worst = 0f32;
    for (name, expected) in expected {
        let difference = relative_difference(&found[name], expected)?;
        ensure!(difference < TOLERANCE, "{part}.{name} differs by {difference} of its largest value");
        worst = worst.max(difference);
    }
    Ok(worst)
}
