//! Checkpoints: everything that a resumed run needs to end in the same bits.

use crate::files::{remove_abandoned, write_atomic};
use crate::nn::sealed_tensors::{seal, unseal};
use anyhow::{Context, Result, bail};
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The state of a run between two optimiser steps.
pub struct Checkpoint {
    /// All that is not a tensor.
    pub progress: Progress,
    /// `online.*`, `target.*`, `optimizer.*` and, where there is an online probe, `probe.*`.
    pub tensors: BTreeMap<String, Tensor>,
}

/// The progress of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The fingerprint of the recipe that made it.
    pub fingerprint: String,
    /// The seed that made it.
    pub seed: u64,
    /// The next optimiser step.
    pub step: u64,
    /// The sum of the total losses of the epoch so far.
    pub epoch_total: f64,
    /// The broken images skipped in the epoch so far.
    pub epoch_skipped: u64,
}

/// The checkpoints of one run: `step-00000800.safetensors`, ... in a directory of their own.
pub struct Checkpoints {
    directory: PathBuf,
    keep: usize,
}

const PREFIX: &str = "step-";
const SUFFIX: &str = ".safetensors";

impl Checkpoints {
    /// The checkpoints in `directory`, of which the last `keep` stay.
    ///
    /// Left-overs of a write that was killed are removed.
    pub fn open(directory: &Path, keep: usize) -> Result<Self> {
        fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
        remove_abandoned(directory)?;
        Ok(Self { directory: directory.to_path_buf(), keep: keep.max(1) })
    }

    /// Their directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes a checkpoint, whole or not at all, and removes those that are too old; and those of later steps, which
    /// are there only if [`Checkpoints::latest`] could not read them.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<PathBuf> {
        let step = checkpoint.progress.step;
        let path = self.directory.join(format!("{PREFIX}{step:08}{SUFFIX}"));
        write_atomic(&path, &seal(&checkpoint.tensors, serde_json::to_value(&checkpoint.progress)?)?)?;
        let (mut old, later): (Vec<_>, Vec<_>) =
            self.files()?.into_iter().partition(|file| file.step <= step);
        old.truncate(old.len().saturating_sub(self.keep));
        for File { path, .. } in old.iter().chain(&later) {
            fs::remove_file(path).with_context(|| format!("removing {}", path.display()))?;
        }
        Ok(path)
    }

    /// The newest checkpoint that is intact, and what was wrong with newer ones.
    ///
    /// # Errors
    /// When there are checkpoints and not one of them is intact: what they stand for is not done again without being asked for.
    pub fn latest(&self, device: &Device) -> Result<(Option<Checkpoint>, Vec<String>)> {
        let mut problems = Vec::new();
        for File { path, .. } in self.files()?.iter().rev() {
            match read(path, device) {
                Ok(checkpoint) => return Ok((Some(checkpoint), problems)),
                Err(error) => problems.push(format!("{error:#}; trying the one before")),
            }
        }
        if let Some(newest) = problems.first() {
            bail!(
                "{newest}; not one of the {} checkpoints is intact: put a copy of one back, or begin anew with --force",
                problems.len()
            );
        }
        Ok((None, problems))
    }

    /// The files, oldest first. A copy that somebody gave another name is not one of them.
    fn files(&self) -> Result<Vec<File>> {
        let listing = || format!("listing {}", self.directory.display());
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory).with_context(listing)? {
            let path = entry.with_context(listing)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let digits = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
            let step = digits.and_then(|digits| digits.parse().ok());
            files.extend(step.map(|step| File { step, path: path.clone() }));
        }
        files.sort();
        Ok(files)
    }
}

/// A checkpoint on disk.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct File {
    step: u64,
    path: PathBuf,
}

/// Reads a checkpoint.
///
/// # Errors
/// When the file is truncated, a bit of it has changed, or it was not written by this program.
pub fn read(path: &Path, device: &Device) -> Result<Checkpoint> {
    let broken = || format!("checkpoint {} is damaged", path.display());
    let bytes = fs::read(path).with_context(broken)?;
    let Some(note) = unseal(&bytes).with_context(broken)? else {
        bail!("{} is not a checkpoint of univip: it has no checksum", path.display());
    };
    let progress = serde_json::from_value(note).with_context(broken)?;
    let tensors = candle_core::safetensors::load_buffer(&bytes, device).with_context(broken)?;
    Ok(Checkpoint { progress, tensors: tensors.into_iter().collect() })
}
