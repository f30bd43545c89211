//! A run directory: what was run, how far it came, what it measured.

use crate::lines::read_lines;
use crate::training::Training;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
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
    /// `run.json`; none if it is missing.
    pub record: Option<Record>,
    /// What was measured, by the recipe's settings or others; of a number measured twice in the same way, the later.
    pub measurements: Vec<Measurement>,
    /// How the training went.
    pub training: Training,
    /// What is missing or cut short in the directory.
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
    /// Reads one directory. One without `run.json` is a run if its name ends in `-<fingerprint>-s<seed>`.
    ///
    /// # Errors
    /// When a file is malformed: names it.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        match Self::identity(path)? {
            Some((fingerprint, seed, record)) => Self::load(path, fingerprint, seed, record).map(Some),
            None => Ok(None),
        }
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

    fn identity(path: &Path) -> Result<Option<(String, u64, Option<Record>)>> {
        let file = path.join("run.json");
        if file.exists() {
            let bytes = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
            let record: Record = serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is not a run record", file.display()))?;
            return Ok(Some((record.fingerprint.clone(), record.seed, Some(record))));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut parts = name.rsplit('-');
        let seed = parts.next().and_then(|part| part.strip_prefix('s')).and_then(|seed| seed.parse().ok());
        let hex = |part: &&str| part.len() == 12 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let fingerprint = parts.next().filter(hex);
        Ok(fingerprint.zip(seed).map(|(fingerprint, seed)| (fingerprint.to_string(), seed, None)))
    }

    fn load(path: &Path, fingerprint: String, seed: u64, record: Option<Record>) -> Result<Self> {
        let mut notes = Vec::new();
        if record.is_none() {
            notes.push("run.json is missing".to_string());
        }
        let mut measurements: Vec<Measurement> = Vec::new();
        match read_lines::<Measurement>(&path.join("evaluations.jsonl"))? {
            Some(lines) => {
                for line in lines.items {
                    measurements.retain(|earlier| !earlier.same_way(&line));
                    measurements.push(line);
                }
                if lines.cut {
                    notes.push("the last line of evaluations.jsonl is cut short and left out".into());
                }
            }
            None => notes.push("evaluations.jsonl is missing".into()),
        }
        let training = match read_lines(&path.join("metrics.jsonl"))? {
            Some(lines) => {
                if lines.cut {
                    notes.push("the last line of metrics.jsonl is cut short and left out".into());
                }
                Training::of(lines.items)
            }
            None => {
                notes.push("metrics.jsonl is missing".into());
                Training::default()
            }
        };
        Ok(Self { path: path.to_path_buf(), fingerprint, seed, record, measurements, training, notes })
    }
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
            let Some((fingerprint, seed, record)) = Run::identity(&path)? else { continue };
            if !fingerprints.contains(fingerprint.as_str()) {
                continue;
            }
            let run = Run::load(&path, fingerprint, seed, record)?;
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
