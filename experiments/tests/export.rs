//! `univip export`. That other libraries read what is written is checked by `export/check.py`, which needs them.

mod common;

use anyhow::{Context, Result, ensure};
use common::{run_directory, stdout, univip};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use univip_core::nn::backbone_file::{self, Import};
use univip_core::registry::Registry;
// The backbones that a file may hold.
use univip_plugins as _;

/// A run of an untrained backbone of the smoke scale's width, and its directory.
fn run(backbone: &str, runs: &Path) -> Result<PathBuf> {
    let set = format!("network.backbone={backbone}");
    let measured = "evaluators.use=[\"knn\"]";
    stdout(&["run", "random", "--scale", "smoke", "--set", &set, "--set", measured], runs)?;
    run_directory(runs, "random")
}

fn export(arguments: &[&str], runs: &Path) -> Result<(Option<i32>, String, String)> {
    let output = univip(&["export"], runs).args(arguments).arg("--runs").arg(runs).output()?;
    Ok((output.status.code(), String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?))
}

/// The backbone in a file.
fn import(file: &Path) -> Result<Import> {
    backbone_file::import(file, &Registry::linked()?.architectures(), &candle_core::Device::Cpu)
}

#[test]
fn an_export_is_whole_and_tells_what_it_is() -> Result<()> {
    let runs = tempfile::tempdir()?;
    let run = run("resnet18", runs.path())?;
    let (code, said, error) = export(&["random", "--to", "safetensors"], runs.path())?;
    ensure!(code == Some(0), "{error}");
    let directory = run.join("export/safetensors");
    ensure!(said.trim() == directory.display().to_string(), "{said}");
    let names: BTreeSet<_> = fs::read_dir(&directory)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    let expected = ["backbone.safetensors", "check.safetensors", "manifest.json"];
    ensure!(names == expected.map(String::from).into(), "{names:?}");
    ensure!(fs::read(directory.join("backbone.safetensors"))? == fs::read(run.join("backbone.safetensors"))?);

    let manifest: Value = serde_json::from_slice(&fs::read(directory.join("manifest.json"))?)?;
    ensure!(manifest["target"] == "safetensors" && manifest["network"]["architecture"] == "resnet18");
    ensure!(manifest["network"]["width"] == 8 && manifest["input"]["colours"] == "RGB");
    ensure!(run.display().to_string().contains(manifest["run"]["fingerprint"].as_str().context("none")?));
    ensure!(manifest["recipe"]["network"]["width"] == 8, "{}", manifest["recipe"]["network"]);
    ensure!(manifest["evaluations"][0]["metric"]["protocol"] == "knn-20");

    // As `check.py` does, with our own network: the stored features are those of the file.
    let device = candle_core::Device::Cpu;
    let check = candle_core::safetensors::load(directory.join("check.safetensors"), &device)?;
    let number = |key: &str, channel: usize| manifest["input"][key][channel].as_f64().unwrap_or(f64::NAN);
    let pixels = check["pixels"].to_dtype(candle_core::DType::F32)?;
    let channels: Vec<_> = (0..3)
        .map(|channel| {
            let levels = (pixels.narrow(2, channel, 1)? / 255.0)?;
            (levels - number("mean", channel))? / number("std", channel)
        })
        .collect::<candle_core::Result<_>>()?;
    let image = candle_core::Tensor::cat(&channels, 2)?.unsqueeze(0)?;
    let backbone = import(&directory.join("backbone.safetensors"))?.backbone;
    let difference = (backbone.features(&image)?.squeeze(0)? - &check["features"])?.abs()?.max(0)?;
    ensure!(difference.to_scalar::<f32>()? < 1e-4, "{difference}");
    Ok(())
}

#[test]
fn detectron2_gets_its_file_and_a_configuration() -> Result<()> {
    let runs = tempfile::tempdir()?;
    run("resnet50", runs.path())?;
    let out = runs.path().join("d2");
    let (code, _, error) =
        export(&["random", "--to", "detectron2", "--out", &out.display().to_string()], runs.path())?;
    ensure!(code == Some(0), "{error}");
    let yaml = fs::read_to_string(out.join("mask_rcnn_fpn_1x.yaml"))?;
    ensure!(
        yaml.contains("WEIGHTS: \"backbone.pth\"")
            && yaml.contains("WIDTH_PER_GROUP: 8")
            && yaml.contains("RES2_OUT_CHANNELS: 32"),
        "{yaml}"
    );
    let bytes = fs::read(out.join("backbone.pth"))?;
    ensure!(bytes.starts_with(b"PK\x03\x04"), "no zip archive");
    for name in ["stem.conv1.norm.running_mean", "res2.0.conv1.weight", "res5.0.shortcut.norm.bias"] {
        ensure!(bytes.windows(name.len()).any(|window| window == name.as_bytes()), "no {name}");
    }
    Ok(())
}

/// The numbers that `univip evaluate` prints.
fn measured(arguments: &[&str], runs: &Path) -> Result<String> {
    let with = ["evaluate", "--with", "knn"];
    stdout(&[&with[..], arguments, &["--runs", &runs.display().to_string()]].concat(), runs)
}

#[test]
fn every_export_is_read_again_to_the_bit() -> Result<()> {
    let device = candle_core::Device::Cpu;
    for (network, width, targets) in [
        ("resnet18", 64, &["torchvision", "timm", "safetensors"][..]),
        ("resnet34", 4, &["safetensors"]),
        ("resnet50", 8, &["detectron2", "safetensors"]),
        ("resnet101", 4, &["detectron2"]),
    ] {
        let runs = tempfile::tempdir()?;
        let sets = [format!("network.backbone={network}"), format!("network.width={width}")];
        let measure = "evaluators.use=[\"knn\"]";
        let recipe =
            ["run", "random", "--scale", "smoke", "--set", &sets[0], "--set", &sets[1], "--set", measure];
        stdout(&recipe, runs.path())?;
        let run = run_directory(runs.path(), "random")?;
        let own = import(&run.join("backbone.safetensors"))?.backbone;
        let numbers = measured(&["random"], runs.path())?;
        for target in targets {
            let (code, directory, error) = export(&["random", "--to", target], runs.path())?;
            ensure!(code == Some(0), "{error}");
            let directory = directory.trim();
            let manifest: Value =
                serde_json::from_slice(&fs::read(Path::new(directory).join("manifest.json"))?)?;
            let file = Path::new(directory).join(manifest["file"].as_str().context("no file")?);
            let import = import(&file)?;
            ensure!(
                import.prefix.is_empty() && import.left_out.is_empty(),
                "{target}: {:?}",
                import.left_out
            );
            let image = candle_core::Tensor::randn(0f32, 1.0, (2, 40, 33, 3), &device)?;
            let difference =
                (own.features(&image)? - import.backbone.features(&image)?)?.abs()?.flatten_all()?.max(0)?;
            ensure!(difference.to_scalar::<f32>()? == 0.0, "{target}: {difference}");
            for path in [directory, &file.display().to_string()] {
                let again = measured(&["--backbone", path, "--scale", "smoke"], runs.path())?;
                ensure!(again == numbers, "{target}: {again}, expected {numbers}");
            }
        }
    }
    Ok(())
}

#[test]
fn an_export_that_fails_leaves_no_manifest_of_an_older_one() -> Result<()> {
    let runs = tempfile::tempdir()?;
    let run = run("resnet18", runs.path())?;
    let directory = run.join("export/safetensors");
    let (code, _, error) = export(&["random", "--to", "safetensors"], runs.path())?;
    ensure!(code == Some(0) && directory.join("manifest.json").exists(), "{error}");
    // The files after the tensors cannot be written.
    fs::remove_file(directory.join("check.safetensors"))?;
    fs::create_dir(directory.join("check.safetensors"))?;
    let (code, _, error) = export(&["random", "--to", "safetensors"], runs.path())?;
    ensure!(code == Some(1) && error.contains("check.safetensors"), "{code:?}: {error}");
    ensure!(!directory.join("manifest.json").exists(), "it says that the directory is whole");
    fs::remove_dir(directory.join("check.safetensors"))?;
    let left = directory.join(".backbone.safetensors.0123456789abcdef.tmp");
    fs::write(&left, "half")?;
    let (code, _, error) = export(&["random", "--to", "safetensors"], runs.path())?;
    ensure!(code == Some(0) && directory.join("manifest.json").exists(), "{error}");
    ensure!(!left.exists(), "what a killed export left is still there");
    Ok(())
}

#[test]
fn what_cannot_be_exported_is_refused_before_anything_is_written() -> Result<()> {
    let runs = tempfile::tempdir()?;
    let run = run("resnet18", runs.path())?;
    for target in ["torchvision", "timm", "detectron2"] {
        let (code, _, error) = export(&["random", "--to", target], runs.path())?;
        ensure!(code == Some(2) && error.contains("no resnet18 of width 8"), "{code:?}: {error}");
    }
    let (code, _, error) = export(&["randon", "--to", "timm"], runs.path())?;
    ensure!(code == Some(2) && error.contains("did you mean `random`?"), "{code:?}: {error}");
    let file = run.join("backbone.safetensors");
    let whole = fs::read(&file)?;
    fs::write(&file, &whole[..whole.len() - 100])?;
    let (code, _, error) = export(&["random", "--to", "safetensors"], runs.path())?;
    ensure!(code == Some(1) && error.contains("backbone.safetensors is not a whole"), "{code:?}: {error}");
    ensure!(!run.join("export").exists(), "something was written");
    Ok(())
}
