//! `network.init`: what training starts from, from an export of ours and from a checkpoint that PyTorch wrote.

use anyhow::{Context, Result, ensure};
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::path::Path;
use univip_core::assemble::Assembly;
use univip_core::networks::Networks;
use univip_core::nn::backbone_file::{import, write};
use univip_core::nn::layout::to_torchvision;
use univip_core::recipe::{Recipe, Sources};
use univip_core::registry::Registry;
use univip_tests::steps::{Tensors, relative_difference};
use univip_tests::workspace;

/// Row (e) with a ResNet-18 of width 2 and what is set.
fn recipe(sets: &[String]) -> Result<Recipe> {
    let experiments = workspace().join("experiments");
    let small = ["network.backbone=resnet18", "network.width=2", "network.hidden=8", "network.output=4"];
    Recipe::load(&Sources {
        path: experiments.join("recipes/table7/e.toml"),
        scales: experiments.join("scales"),
        scale: Some("smoke".into()),
        sets: small.iter().map(ToString::to_string).chain(sets.iter().cloned()).collect(),
        ..Sources::default()
    })
}

/// The networks of a run of seed 3.
fn networks(sets: &[String]) -> Result<Networks> {
    let (recipe, registry) = (recipe(sets)?, Registry::linked()?);
    let parts = Assembly::new(&recipe, &registry);
    parts.networks(parts.view_sampler()?.groups(), 3, &Device::Cpu)
}

fn from(path: &Path) -> Result<Networks> {
    networks(&[format!("network.init={}", path.display())])
}

fn fixture(name: &str) -> std::path::PathBuf {
    workspace().join("core/nn/tests/fixtures/backbone").join(name)
}

/// Refuses tensors that differ in name or by a bit.
fn same(found: &Tensors, expected: &Tensors) -> Result<()> {
    ensure!(found.keys().eq(expected.keys()));
    for (name, value) in found {
        ensure!(relative_difference(value, &expected[name])? == 0.0, "{name}");
    }
    Ok(())
}

fn inside(networks: &univip_core::nn::Parameters, prefix: &str) -> Tensors {
    let all = networks.tensors().into_iter();
    all.filter_map(|(name, value)| Some((name.strip_prefix(prefix)?.to_string(), value))).collect()
}

#[test]
fn both_backbones_start_from_the_file_and_heads_as_ever() -> Result<()> {
    let random = networks(&[])?;
    for file in ["resnet18.safetensors", "moco.pth"] {
        let networks = from(&fixture(file))?;
        let theirs =
            import(&fixture(file), &Registry::linked()?.architectures(), &Device::Cpu)?.backbone.tensors();
        same(&inside(networks.online(), "backbone."), &theirs)?;
        same(&inside(networks.target(), "backbone."), &theirs)?;
        for head in ["projector.", "predictor."] {
            same(&inside(networks.online(), head), &inside(random.online(), head))?;
        }
        // The features that torchvision computes of the images with these weights.
        let expected = candle_core::safetensors::load(fixture("features.safetensors"), &Device::Cpu)?;
        let features = networks.frozen_backbone()?.features(&expected["images"])?;
        let difference = relative_difference(&features, &expected["resnet18"])?;
        ensure!(difference < 1e-4, "{file}: the features differ by {difference}");
    }
    let weight = "conv1.weight";
    let start = inside(from(&fixture("moco.pth"))?.online(), "backbone.");
    ensure!(relative_difference(&inside(random.online(), "backbone.")[weight], &start[weight])? > 0.1);
    Ok(())
}

#[test]
fn a_file_of_another_network_is_refused_with_all_that_does_not_fit() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("broken.safetensors");
    let own = import(&fixture("resnet18.safetensors"), &Registry::linked()?.architectures(), &Device::Cpu)?;
    let mut tensors = own.backbone.tensors();
    tensors.remove("bn1.bias").context("a bias")?;
    tensors.insert("layer9.weight".into(), Tensor::zeros(3, candle_core::DType::F32, &Device::Cpu)?);
    let wide = Tensor::zeros((4, 1, 1, 9), candle_core::DType::F32, &Device::Cpu)?;
    tensors.insert("layer2.0.downsample.0.weight".into(), wide);
    write(&path, &tensors)?;
    let said = format!("{:#}", from(&path).err().context("it was taken")?);
    for part in [
        "`network.init`",
        "broken.safetensors are not those of a resnet18 of width 2",
        "1 missing: bn1.bias [2]",
        "1 unexpected: layer9.weight",
        "1 of another shape: layer2.0.downsample.0.weight is [4, 9, 1, 1], expected [4, 2, 1, 1]",
    ] {
        ensure!(said.contains(part), "{said}\nlacks {part}");
    }
    ensure!(!said.contains('\n'), "{said}");
    Ok(())
}

/// Between the reading of the recipe and that of the weights.
#[test]
fn a_file_that_changes_after_the_recipe_was_read_is_refused() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("weights.safetensors");
    std::fs::copy(fixture("resnet18.safetensors"), &path)?;
    let (recipe, registry) = (recipe(&[format!("network.init={}", path.display())])?, Registry::linked()?);
    let other: BTreeMap<String, Tensor> = to_torchvision(&networks(&[])?.backbone_tensors())?;
    std::fs::write(&path, univip_core::nn::sealed_tensors::seal(&other, serde_json::Value::Null)?)?;
    let parts = Assembly::new(&recipe, &registry);
    let refused = parts.networks(parts.view_sampler()?.groups(), 3, &Device::Cpu).err().context("taken")?;
    ensure!(format!("{refused:#}").contains("has changed since the recipe was read"), "{refused:#}");
    Ok(())
}
