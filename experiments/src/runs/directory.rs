//! One run's directory: what is in it, and who may write there.

use crate::system::clock;
use crate::system::machine::Machine;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use univip_core::evaluate::Metric;
use univip_core::files::{remove_abandoned, write_atomic};

/// The directory of one recipe and seed, locked while this value lives.
///
/// ```text
/// recipe.toml          resolved, every value with its origin in a comment
/// run.json             status, versions, machine, times
/// metrics.jsonl        one training event a line
/// evaluations.jsonl    one measured number a line
/// backbone.safetensors the trained backbone, in torchvision's names and layout
/// checkpoints/
/// ```
pub struct RunDirectory {
    path: PathBuf,
    _lock: File,
}

/// `run.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunRecord {
    /// How far it is.
    pub status: Status,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// The row that it was first run for.
    pub name: String,
    /// The seed.
    pub seed: u64,
    /// The recipe's fingerprint.
    pub fingerprint: String,
    /// The scale's name.
    pub scale: String,
    /// The dataset learned from.
    pub data: String,
    /// What its images that are learned from hold: [`Dataset::identity`](univip_core::dataset::Dataset::identity).
    pub data_digest: String,
    /// The same of all else that the run has measured on: `probe_data val`, `scenes train`, ...
    #[serde(default)]
    pub digests: BTreeMap<String, String>,
    /// The dataset measured on.
    pub probe_data: String,
    /// The version of univip.
    pub version: String,
    /// The machine, as `cpu` and `threads`.
    pub machine: Value,
    /// When it was first started, RFC 3339.
    pub started: String,
    /// Seconds a phase took, over all sittings.
    pub seconds: BTreeMap<String, f64>,
    /// The most memory the process held.
    pub peak_memory_bytes: Option<u64>,
    /// Optimiser steps.
    pub steps: u64,
    /// Parameters of the backbone.
    pub parameters: usize,
}

const RECORD: &str = "run.json";

const LOCK: &str = ".lock";

/// Keeps other processes from making runs and plans below `runs` while the value lives: for moments, and not for a training.
///
/// # Errors
/// When `runs` cannot be made or written.
pub fn lock_runs(runs: &Path) -> Result<File> {
    fs::create_dir_all(runs).with_context(|| format!("making {}", runs.display()))?;
    let name = runs.join(LOCK);
    let lock = lock_file(&name)?;
    lock.lock().with_context(|| format!("locking {}", name.display()))?;
    Ok(lock)
}

fn lock_file(name: &Path) -> Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(name);
    file.with_context(|| format!("opening {}", name.display()))
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Someone works on it, or was killed while doing so.
    Running,
    /// Trained and evaluated.
    Finished,
    /// Stopped by its user; resumes.
    Interrupted,
    /// Stopped by an error.
    Failed,
}

impl Status {
    /// As `run.json` has it.
    pub fn name(self) -> &'static str {
        match self {
            Status::Running => "running",
            Status::Finished => "finished",
            Status::Interrupted => "interrupted",
            Status::Failed => "failed",
        }
    }
}

/// A line of `evaluations.jsonl`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Evaluated {
    /// The evaluator's name.
    pub evaluator: String,
    /// What it measured.
    pub metric: Metric,
    /// What was set otherwise than in the run's recipe, as `key=value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<String>,
}

impl RunDirectory {
    /// The directory under `runs` of that fingerprint and seed, whatever row it was first run for; a new one
    /// is called after `name`.
    ///
    /// A copy that somebody gave another name is not it: a run's directory is called as its record says.
    pub fn find(runs: &Path, name: &str, fingerprint: &str, seed: u64) -> Result<PathBuf> {
        let ending = format!("-{fingerprint}-s{seed}");
        let own = runs.join(format!("{name}{ending}"));
        if own.join(RECORD).exists() || !runs.exists() {
            return Ok(own);
        }
        let listing = || format!("listing {}", runs.display());
        let mut found = Vec::new();
        for entry in fs::read_dir(runs).with_context(listing)? {
            let entry = entry.with_context(listing)?;
            let directory = entry.file_name().to_string_lossy().into_owned();
            let Some(row) = directory.strip_suffix(&ending) else { continue };
            // One whose record is damaged is found by its own row's name alone.
            let Ok(Some(record)) = read_record(&entry.path()) else { continue };
            if (record.name.as_str(), record.fingerprint.as_str(), record.seed) == (row, fingerprint, seed) {
                found.push(entry.path());
            }
        }
        // Which of several is taken must not depend on the disk.
        Ok(found.into_iter().min().unwrap_or(own))
    }

    /// Opens it for writing, making it if need be. Files that a killed process did not finish are removed.
    ///
    /// # Errors
    /// When another process has it open.
    pub fn open(path: &Path) -> Result<Self> {
        let opened = Self::try_open(path)?;
        opened.with_context(|| {
            format!("another process is working in {}: wait for it or stop it", path.display())
        })
    }

    /// As [`RunDirectory::open`]; none when another process has it open.
    pub fn try_open(path: &Path) -> Result<Option<Self>> {
        fs::create_dir_all(path).with_context(|| format!("making the run directory {}", path.display()))?;
        let name = path.join(LOCK);
        let lock = lock_file(&name)?;
        match lock.try_lock() {
            Ok(()) => {
                remove_abandoned(path)?;
                Ok(Some(Self { path: path.to_path_buf(), _lock: lock }))
            }
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("locking {}", name.display()))
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Empties it.
    pub fn clear(&self) -> Result<()> {
        let clearing = || format!("clearing {}", self.path.display());
        for entry in fs::read_dir(&self.path).with_context(clearing)? {
            let path = entry.with_context(clearing)?.path();
            if path.is_dir() {
                fs::remove_dir_all(&path).with_context(clearing)?;
            } else if path.file_name().is_some_and(|name| name != LOCK) {
                fs::remove_file(&path).with_context(clearing)?;
            }
        }
        Ok(())
    }

    /// Writes `run.json`.
    pub fn write_record(&self, record: &RunRecord) -> Result<()> {
        write_atomic(&self.file(RECORD), serde_json::to_string_pretty(record)?.as_bytes())
    }

    /// The numbers measured so far. A last line that a kill cut short is removed.
    pub fn evaluations(&self) -> Result<Vec<Evaluated>> {
        let path = self.file("evaluations.jsonl");
        if path.exists() {
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            let whole = text.rfind('\n').map_or(0, |end| end + 1);
            if whole < text.len() {
                write_atomic(&path, &text.as_bytes()[..whole])?;
            }
        }
        read_evaluations(&self.path)
    }

    /// Those of the evaluators `names` that have measured nothing yet as the run's recipe says.
    pub fn unmeasured(&self, names: &[String]) -> Result<Vec<String>> {
        let measured = self.evaluations()?;
        let done = |name: &String| measured.iter().any(|each| each.evaluator == *name && each.set.is_empty());
        Ok(names.iter().filter(|name| !done(name)).cloned().collect())
    }

    /// Appends what an evaluator measured, all of it at once.
    pub fn append_evaluations(&self, evaluated: &[Evaluated]) -> Result<()> {
        let path = self.file("evaluations.jsonl");
        let mut lines = String::new();
        for each in evaluated {
            lines.push_str(&serde_json::to_string(each)?);
            lines.push('\n');
        }
        let mut text = if path.exists() {
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?
        } else {
            String::new()
        };
        text.push_str(&lines);
        write_atomic(&path, text.as_bytes())
    }
}

/// The numbers in a run's directory, without a last line that a kill cut short.
pub fn read_evaluations(directory: &Path) -> Result<Vec<Evaluated>> {
    let path = directory.join("evaluations.jsonl");
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let parse = |(number, line): (usize, &str)| {
        serde_json::from_str(line).with_context(|| format!("{} line {}", path.display(), number + 1))
    };
    text[..whole].lines().enumerate().map(parse).collect()
}

/// Reads `run.json` of a directory; none if it was never begun.
pub fn read_record(directory: &Path) -> Result<Option<RunRecord>> {
    let path = directory.join(RECORD);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).with_context(|| {
            format!("{} is not a run record; remove the directory or run with --force", path.display())
        })?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

impl RunRecord {
    /// A record of a run that begins now.
    pub fn begin(
        name: &str,
        seed: u64,
        fingerprint: &str,
        scale: &str,
        data: &str,
        probe_data: &str,
    ) -> Result<Self> {
        Ok(Self {
            status: Status::Running,
            error: None,
            name: name.into(),
            seed,
            fingerprint: fingerprint.into(),
            scale: scale.into(),
            data: data.into(),
            data_digest: String::new(),
            digests: BTreeMap::new(),
            probe_data: probe_data.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            machine: serde_json::to_value(Machine::here())?,
            started: clock::seconds()?,
            seconds: BTreeMap::new(),
            peak_memory_bytes: None,
            steps: 0,
            parameters: 0,
        })
    }
}
