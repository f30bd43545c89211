//! Backbones from other libraries: `fixtures/backbone/make.py` made the files and torchvision's features.

use anyhow::{Context, Result};
use candle_core::{DType, Device, Tensor};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use univip_core::backbone_file::{read, write};
use univip_core::nn::layout::to_torchvision;
use univip_core::recipe::{BackboneKind, NetworkSettings};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/backbone/{name}.safetensors"))
}

fn tensors(path: &Path) -> Result<HashMap<String, Tensor>> {
    candle_core::safetensors::load(path, &Device::Cpu).with_context(|| path.display().to_string())
}

fn largest(tensor: &Tensor) -> Result<f32> {
    Ok(tensor.abs()?.flatten_all()?.max(0)?.to_scalar()?)
}

#[test]
fn torchvisions_files_give_torchvisions_features() -> Result<()> {
    let expected = tensors(&fixture("features"))?;
    for (name, width) in [("resnet18", 2), ("resnet50", 1)] {
        let backbone = read(&fixture(name), None, &Device::Cpu)?;
        assert_eq!((backbone.settings().backbone.name(), backbone.settings().width), (name, width));
        let difference = largest(&(backbone.features(&expected["images"])? - &expected[name])?)?;
        assert!(difference < 1e-4, "{name} differs by {difference}");
        let stem = &backbone.stem_and_stages(&expected["images"])?[0];
        let difference = largest(&(stem - &expected[&format!("{name}.stem")])?)?;
        assert!(difference < 1e-4, "the stem of {name} differs by {difference}");
        assert!(largest(&expected[name])? > 0.1, "{name}: features of nothing");
    }
    Ok(())
}

#[test]
fn what_is_written_reads_back_bit_for_bit() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("backbone.safetensors");
    let backbone = read(&fixture("resnet50"), None, &Device::Cpu)?;
    write(&path, &backbone.tensors())?;
    let (mut theirs, ours) = (tensors(&fixture("resnet50"))?, tensors(&path)?);
    theirs.retain(|name, _| !name.starts_with("fc.") && !name.contains("num_batches"));
    assert_eq!(ours.len(), theirs.len());
    for (name, tensor) in ours {
        assert_eq!(tensor.dims(), theirs[&name].dims(), "{name}");
        assert_eq!(largest(&(tensor - &theirs[&name])?)?, 0.0, "{name}");
    }
    Ok(())
}

#[test]
fn a_copy_to_fine_tune_has_the_values_and_not_the_storage() -> Result<()> {
    let backbone = read(&fixture("resnet18"), None, &Device::Cpu)?;
    let images = Tensor::ones((1, 32, 32, 3), DType::F32, &Device::Cpu)?;
    let before = backbone.features(&images)?;
    let (parameters, copy) = backbone.copy(7)?;
    assert_eq!(parameters.tensors().len(), backbone.tensors().len());
    let of_copy = copy.forward(&images, univip_core::nn::Mode::Eval)?;
    assert_eq!(largest(&(of_copy - &before)?)?, 0.0);
    for var in parameters.parameters().values() {
        var.set(&var.zeros_like()?)?;
    }
    assert_eq!(largest(&(backbone.features(&images)? - &before)?)?, 0.0);
    Ok(())
}

/// A file of the fixture with changes.
fn changed(
    directory: &Path,
    change: impl FnOnce(&mut HashMap<String, Tensor>) -> Result<()>,
) -> Result<PathBuf> {
    let mut all = tensors(&fixture("resnet18"))?;
    change(&mut all)?;
    let path = directory.join("changed.safetensors");
    let all: BTreeMap<_, _> = all.into_iter().collect();
    std::fs::write(&path, safetensors::serialize(&all, None)?)?;
    Ok(path)
}

#[test]
fn tensors_that_do_not_fit_are_all_listed() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu);
    let path = changed(directory.path(), |all| {
        all.remove("bn1.running_mean");
        all.remove("layer4.1.conv2.weight");
        all.insert("layer3.2.conv1.weight".into(), zeros(&[8, 8, 3, 3])?);
        all.insert("layer2.0.conv1.weight".into(), zeros(&[4, 2, 1, 1])?);
        Ok(())
    })?;
    let error = format!("{:#}", read(&path, None, &Device::Cpu).err().context("it was read")?);
    for part in [
        "changed.safetensors are not those of a resnet18 of width 2",
        "2 missing: bn1.running_mean [2], layer4.1.conv2.weight [16, 16, 3, 3]",
        "1 unexpected: layer3.2.conv1.weight",
        "1 of another shape: layer2.0.conv1.weight is [4, 2, 1, 1], expected [4, 2, 3, 3]",
    ] {
        assert!(error.contains(part), "{error}\nlacks {part:?}");
    }
    Ok(())
}

#[test]
fn a_file_of_something_else_is_named_with_what_was_expected() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("x.safetensors");
    let said = |settings: Option<&NetworkSettings>| -> Result<String> {
        Ok(format!("{:#}", read(&path, settings, &Device::Cpu).err().context("it was read")?))
    };
    assert!(said(None)?.contains("x.safetensors"), "a missing file");
    std::fs::write(&path, b"PK\x03\x04 no safetensors")?;
    assert!(said(None)?.contains("is not a whole safetensors file"));
    let whole = std::fs::read(fixture("resnet18"))?;
    std::fs::write(&path, &whole[..whole.len() / 2])?;
    assert!(said(None)?.contains("is not a whole safetensors file"));
    std::fs::copy(fixture("features"), &path)?;
    let text = said(None)?;
    assert!(text.contains("no conv1.weight") && text.contains("images"), "{text}");
    std::fs::copy(fixture("resnet18"), &path)?;
    let wide = NetworkSettings { backbone: BackboneKind::ResNet18, width: 4, ..NetworkSettings::default() };
    let text = said(Some(&wide))?;
    assert!(
        text.contains("of a resnet18 of width 4") && text.contains("conv1.weight is [2, 3, 7, 7]"),
        "{text}"
    );
    Ok(())
}

#[test]
fn half_precision_becomes_single() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = changed(directory.path(), |all| {
        for tensor in all.values_mut() {
            *tensor = tensor.to_dtype(DType::F16)?;
        }
        Ok(())
    })?;
    let tensors = to_torchvision(&read(&path, None, &Device::Cpu)?.tensors())?;
    assert!(tensors.values().all(|tensor| tensor.dtype() == DType::F32));
    Ok(())
}
