//! A run directory: what was run, how far it came, what it measured.

use crate::read::lines::read_lines;
use crate::read::training::Training;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// One recipe with one seed.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its directory.
    pub path: PathBuf,
    /// The recipe's fingerprint.
    pub fingerprint: String,
    /// The seed.
    pub seed: u64,
    /// `run.json`; none if it is missing or damaged.
    pub record: Option<Record>,
    /// What was measured, by the recipe's settings or others; of a number measured twice in the same way, the later.
    pub measurements: Vec<Measurement>,
    /// How the training went.
    pub training: Training,
    /// What is missing, damaged or cut short in the directory.
    pub notes: Vec<String>,
}

/// `run.json`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Record {
    /// How far it is.
    pub status: Status,
    /// Why it failed.
    pub error: Option<String>,
    /// The row it was first run for.
    pub name: String,
    /// The seed.
    pub seed: u64,
    /// The recipe's fingerprint.
    pub fingerprint: String,
    /// The scale's name.
    pub scale: String,
    /// The dataset learned from.
    pub data: String,
    /// What was in it.
    #[serde(default)]
    pub data_digest: String,
    /// The dataset measured on.
    pub probe_data: String,
    /// The version of univip.
    pub version: String,
    /// When it was started, RFC 3339.
    pub started: String,
    /// Seconds a phase took.
    #[serde(default)]
    pub seconds: BTreeMap<String, f64>,
    /// The most memory the process held.
    pub peak_memory_bytes: Option<u64>,
    /// Optimiser steps.
    pub steps: Option<u64>,
    /// Parameters of the backbone.
    pub parameters: Option<u64>,
}

/// What a run spends its time on.
const PHASES: [&str; 3] = ["proposals", "train", "evaluate"];

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Trained and evaluated.
    Finished,
    /// Being worked on, or killed while it was.
    Running,
    /// Stopped by its user.
    Interrupted,
    /// Stopped by an error.
    Failed,
}

impl Status {
    /// As `run.json` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }
}

/// A line of `evaluations.jsonl`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Measurement {
    /// The evaluator's name.
    pub evaluator: String,
    /// What it measured.
    pub metric: Metric,
    /// What was set otherwise than in the run's recipe, as `key=value`.
    #[serde(default)]
    pub set: Vec<String>,
}

/// One number, with what one must know to compare it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Metric {
    /// `top1`.
    pub name: String,
    /// In percent where it is a share; none where it was not a number.
    pub value: Option<f64>,
    /// The exact procedure, by name.
    pub protocol: String,
    /// Which images.
    pub split: String,
    /// How many were measured.
    pub images: u64,
}

impl Run {
    /// Reads one directory, if it is a run's. One whose `run.json` is missing or damaged is, if its name ends in
    /// `-<fingerprint>-s<seed>`. What is damaged is left out, and [`Run::notes`] say so.
    pub fn read(path: &Path) -> Option<Self> {
        Identity::read(path).map(|identity| Self::load(path, identity))
    }

    /// Whether it ran to its end.
    pub fn finished(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.status == Status::Finished)
    }

    /// The seconds of what its recipe asks for; what was measured otherwise is another phase.
    pub fn seconds(&self) -> Option<f64> {
        let seconds = &self.record.as_ref()?.seconds;
        let own: Vec<f64> = PHASES.iter().filter_map(|phase| seconds.get(*phase).copied()).collect();
        (!own.is_empty()).then(|| own.iter().sum())
    }

    fn load(path: &Path, identity: Identity) -> Self {
        let Identity { fingerprint, seed, record, note } = identity;
        let mut notes = Vec::from_iter(note);
        let mut measurements: Vec<Measurement> = Vec::new();
        for line in items(path, "evaluations.jsonl", &mut notes) {
            measurements.retain(|earlier: &Measurement| !earlier.same_way(&line));
            measurements.push(line);
        }
        let training = Training::of(items(path, "metrics.jsonl", &mut notes));
        if let Some(step) = training.beyond {
            let of = training.steps.map_or(String::new(), |steps| format!(" of {steps}"));
            notes
                .push(format!("metrics.jsonl has a step {step}{of}, which is left out: its line is damaged"));
        }
        Self { path: path.to_path_buf(), fingerprint, seed, record, measurements, training, notes }
    }
}

/// Whose a directory is.
struct Identity {
    fingerprint: String,
    seed: u64,
    record: Option<Record>,
    /// Why there is no record.
    note: Option<String>,
}

impl Identity {
    /// None of a directory that is no run's.
    fn read(path: &Path) -> Option<Self> {
        match record(path) {
            Ok(record) => {
                let (fingerprint, seed) = (record.fingerprint.clone(), record.seed);
                Some(Self { fingerprint, seed, record: Some(record), note: None })
            }
            Err(note) => {
                let (fingerprint, seed) = by_name(path)?;
                Some(Self { fingerprint, seed, record: None, note: Some(note) })
            }
        }
    }
}

/// `run.json`, or why it cannot be used.
fn record(path: &Path) -> Result<Record, String> {
    let bytes = match fs::read(path.join("run.json")) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err("run.json is missing".into()),
        Err(error) => return Err(format!("run.json cannot be read: {error}")),
    };
    let damaged = |error| format!("run.json is damaged: {error}; remove the directory to run it again");
    serde_json::from_slice(&bytes).map_err(damaged)
}

/// Fingerprint and seed, as a run directory's name ends in them.
fn by_name(path: &Path) -> Option<(String, u64)> {
    let name = path.file_name()?.to_string_lossy();
    let mut parts = name.rsplit('-');
    let seed = parts.next()?.strip_prefix('s')?.parse().ok()?;
    let hex = |part: &&str| part.len() == 12 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    Some((parts.next().filter(hex)?.to_string(), seed))
}

/// The lines of a file of a run; of one that is missing or damaged there are none, which is noted.
fn items<T: DeserializeOwned>(path: &Path, name: &str, notes: &mut Vec<String>) -> Vec<T> {
    match read_lines(&path.join(name)) {
        Ok(Some(lines)) => {
            if lines.cut {
                notes.push(format!("the last line of {name} is cut short and left out"));
            }
            return lines.items;
        }
        Ok(None) => notes.push(format!("{name} is missing")),
        Err(error) => notes.push(format!("{error:#}")),
    }
    Vec::new()
}

impl Measurement {
    fn same_way(&self, other: &Self) -> bool {
        let key = |m: &Self| {
            let Metric { name, protocol, split, .. } = m.metric.clone();
            (m.evaluator.clone(), name, protocol, split, m.set.clone())
        };
        key(self) == key(other)
    }
}

/// The runs under the `roots` that carry one of the `fingerprints`, ordered by fingerprint and seed.
///
/// # Errors
/// When a directory cannot be read, or two hold the same recipe and seed.
pub fn read_runs(roots: &[PathBuf], fingerprints: &BTreeSet<&str>) -> Result<Vec<Run>> {
    let mut runs = BTreeMap::<(String, u64), Run>::new();
    for root in roots {
        let listing = || format!("listing {}", root.display());
        for entry in fs::read_dir(root).with_context(listing)? {
            let path = entry.with_context(listing)?.path();
            if !path.is_dir() {
                continue;
            }
            let Some(identity) = Identity::read(&path) else { continue };
            if !fingerprints.contains(identity.fingerprint.as_str()) {
                continue;
            }
            let run = Run::load(&path, identity);
            let key = (run.fingerprint.clone(), run.seed);
            if let Some(other) = runs.get(&key) {
                let (a, b) = (other.path.display(), path.display());
                ensure!(
                    fs::canonicalize(&other.path).ok() == fs::canonicalize(&path).ok(),
                    "{a} and {b} hold the same recipe and seed: name or keep one of them"
                );
            }
            runs.insert(key, run);
        }
    }
    Ok(runs.into_values().collect())
}
