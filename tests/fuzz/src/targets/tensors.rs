//! Tensors: checkpoints, and backbones of this project, torchvision and PyTorch.

use super::{Bound, Opened, Target};
use crate::mutate::Dialect;
use anyhow::{Context, Result};
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use univip_core::checkpoint::{self, Checkpoint, Checkpoints, Progress};
use univip_core::nn::Parameters;
use univip_core::nn::backbone_file;
use univip_core::registry::Registry;

/// The checkpoint that a run resumes from.
pub const CHECKPOINT: Target = Target {
    name: "checkpoint",
    summary: "checkpoints of a run",
    dialect: Dialect::Tensors,
    bound: Bound { bytes: 1 << 20, per_byte: 400 },
    place: "checkpoint.safetensors",
    fixtures: &[],
    prepare: checkpoints,
    planted: false,
};

/// Files of `torch.save`.
pub const TORCH_FILE: Target = Target {
    name: "torch-file",
    summary: "PyTorch's files: an archive, a pickle, values",
    dialect: Dialect::Archive,
    bound: Bound { bytes: 8 << 20, per_byte: 400 },
    place: "backbone.pth",
    fixtures: &[
        "core/nn/tests/fixtures/backbone/whole.pth",
        "core/nn/tests/fixtures/backbone/types.pth",
        "core/nn/tests/fixtures/backbone/legacy.pth",
        "core/nn/tests/fixtures/backbone/moco.pth",
        "experiments/tests/fixtures/torch_file/two_tensors.pth",
    ],
    prepare: |_| Ok(Opened::new(import)),
    planted: false,
};

/// Backbones in safetensors.
pub const SAFETENSORS: Target = Target {
    name: "safetensors",
    summary: "backbones in safetensors",
    dialect: Dialect::Tensors,
    bound: Bound { bytes: 8 << 20, per_byte: 400 },
    place: "backbone.safetensors",
    fixtures: &["core/nn/tests/fixtures/nn/mlp.safetensors"],
    prepare: backbones,
    planted: false,
};

fn checkpoints(directory: &Path) -> Result<Opened> {
    let tensor = |values: &[f32]| Tensor::from_slice(values, values.len(), &Device::Cpu);
    let tensors =
        BTreeMap::from([("online.a".into(), tensor(&[1.0, 2.5])?), ("target.a".into(), tensor(&[0.0; 6])?)]);
    let progress = Progress { fingerprint: "f".into(), seed: 0, step: 7, epoch_total: 0.5, epoch_skipped: 0 };
    let made = Checkpoints::open(&directory.join("made"), 1)?.save(&Checkpoint { progress, tensors })?;
    let mut opened = Opened::new(|path, _| checkpoint::read(path, &Device::Cpu).map(drop));
    opened.made.push(fs::read(made)?);
    Ok(opened)
}

fn backbones(directory: &Path) -> Result<Opened> {
    let parameters = Parameters::new(0, &Device::Cpu);
    let known = Registry::linked()?.architectures();
    let narrow = known.iter().map(|architecture| architecture(1)).find(|plan| plan.name() == "resnet50");
    narrow.context("no resnet50 is linked")?.build(&parameters.frozen())?;
    let made = directory.join("made.safetensors");
    backbone_file::write(&made, &parameters.tensors())?;
    let mut opened = Opened::new(import);
    opened.made.push(fs::read(made)?);
    Ok(opened)
}

fn import(path: &Path, _: &[u8]) -> Result<()> {
    backbone_file::import(path, &Registry::linked()?.architectures(), &Device::Cpu).map(drop)
}
