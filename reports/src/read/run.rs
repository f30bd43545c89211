//! A run directory: its record, its training, its measured numbers.

use super::folder::Folder;
use super::training::Training;
use anyhow::{Result, ensure};
use rayon::prelude::*;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use univip_run_format::{
    EVALUATIONS, Evaluated, Identity, METRICS, Metric, RECORD, RunRecord, Status, parse_lines, phase,
};

/// One recipe with one seed.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its directory.
    pub folder: Folder,
    /// The recipe's fingerprint.
    pub fingerprint: String,
    /// The seed.
    pub seed: u64,
    /// `run.json`; none if it is missing or damaged.
    pub record: Option<RunRecord>,
    /// The measured numbers, by the recipe's settings or others; of several rows; of a number measured twice in the same way, the later.
    pub measurements: Vec<Evaluated>,
    /// The course of the training.
    pub training: Training,
    /// Everything missing, damaged or cut short in the directory.
    pub notes: Vec<String>,
}

impl Run {
    /// Reads one directory, if it is a run's. One whose `run.json` is missing or damaged is, if its name ends in
    /// `-<fingerprint>-s<seed>`. What is damaged is left out, and [`Run::notes`] say so.
    pub fn read(path: &Path) -> Option<Self> {
        Self::of(&Folder::on_disk(path), |_| true)
    }

    /// Reads it where its fingerprint is `wanted`.
    fn of(folder: &Folder, wanted: impl Fn(&str) -> bool) -> Option<Self> {
        let found = Found::read(folder)?;
        wanted(&found.identity.fingerprint).then(|| Self::load(folder, found))
    }

    /// The name of its directory.
    pub fn name(&self) -> String {
        self.folder.path().file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// True when it ran to its end.
    pub fn finished(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.status == Status::Finished)
    }

    /// The seconds of what its recipe asks for; what was measured otherwise is another phase.
    pub fn seconds(&self) -> Option<f64> {
        let seconds = &self.record.as_ref()?.seconds;
        let own: Vec<f64> =
            phase::OF_RECIPE.iter().filter_map(|phase| seconds.get(*phase).copied()).collect();
        (!own.is_empty()).then(|| own.iter().sum())
    }

    fn load(folder: &Folder, found: Found) -> Self {
        let Found { identity: Identity { fingerprint, seed }, record, note } = found;
        let mut notes = Vec::from_iter(note);
        let mut measurements: Vec<Evaluated> = Vec::new();
        for line in items(folder, EVALUATIONS, &mut notes) {
            measurements.retain(|earlier: &Evaluated| !same_way(earlier, &line));
            measurements.push(line);
        }
        let training = Training::of(items(folder, METRICS, &mut notes));
        if let Some(step) = training.beyond {
            let of = training.steps.map_or(String::new(), |steps| format!(" of {steps}"));
            notes
                .push(format!("metrics.jsonl has a step {step}{of}, which is left out: its line is damaged"));
        }
        Self { folder: folder.clone(), fingerprint, seed, record, measurements, training, notes }
    }
}

/// The identity of a directory.
struct Found {
    identity: Identity,
    record: Option<RunRecord>,
    /// The reason why there is no record.
    note: Option<String>,
}

impl Found {
    /// None of a directory that is no run's.
    fn read(folder: &Folder) -> Option<Self> {
        match record(folder) {
            Ok(record) => {
                let identity = Identity { fingerprint: record.fingerprint.clone(), seed: record.seed };
                Some(Self { identity, record: Some(record), note: None })
            }
            Err(note) => {
                let identity = Identity::of_directory(folder.name())?;
                Some(Self { identity, record: None, note: Some(note) })
            }
        }
    }
}

fn record(folder: &Folder) -> Result<RunRecord, String> {
    let bytes = match folder.read(RECORD) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err("run.json is missing".into()),
        Err(error) => return Err(format!("run.json cannot be read: {error}")),
    };
    let damaged = |error| format!("run.json is damaged: {error}; remove the directory to run it again");
    serde_json::from_slice(&bytes).map_err(damaged)
}

/// The lines of a file of a run; of one that is missing or damaged there are none, which is noted.
fn items<T: DeserializeOwned>(folder: &Folder, name: &str, notes: &mut Vec<String>) -> Vec<T> {
    let path = folder.path().join(name);
    let bytes = match folder.read(name) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            notes.push(format!("{name} is missing"));
            return Vec::new();
        }
        Err(error) => {
            notes.push(format!("reading {}: {error}", path.display()));
            return Vec::new();
        }
    };
    match parse_lines(&bytes) {
        Ok(lines) => {
            if lines.cut {
                notes.push(format!("the last line of {name} is cut short and left out"));
            }
            lines.items
        }
        Err(error) => {
            notes.push(format!("{} {error}", path.display()));
            Vec::new()
        }
    }
}

fn same_way(one: &Evaluated, other: &Evaluated) -> bool {
    let key = |line: &Evaluated| {
        let Metric { name, protocol, split, .. } = line.metric.clone();
        // A digest says all of how it was measured.
        let way = match &line.digest {
            Some(digest) => (digest.clone(), Vec::new()),
            None => (line.evaluator.clone(), line.set.clone()),
        };
        (line.digest.is_some(), way, name, protocol, split)
    };
    key(one) == key(other)
}

/// The runs under the `roots` that carry one of the `fingerprints`, ordered by fingerprint and seed.
///
/// # Errors
/// When a directory cannot be read, or two hold the same recipe and seed.
pub fn read_runs(roots: &[Folder], fingerprints: &BTreeSet<&str>) -> Result<Vec<Run>> {
    let mut folders = Vec::new();
    for root in roots {
        folders.extend(root.folders()?);
    }
    // On all cores: of many long runs their lines are what takes time.
    let read = |folder: &Folder| Run::of(folder, |fingerprint| fingerprints.contains(fingerprint));
    let read: Vec<Option<Run>> = folders.par_iter().map(read).collect();
    let mut runs = BTreeMap::<(String, u64), Run>::new();
    for run in read.into_iter().flatten() {
        let key = (run.fingerprint.clone(), run.seed);
        if let Some(other) = runs.get(&key) {
            let (a, b) = (other.folder.path(), run.folder.path());
            ensure!(
                same_place(a, b),
                "{} and {} hold the same recipe and seed: name or keep one of them",
                a.display(),
                b.display()
            );
        }
        runs.insert(key, run);
    }
    Ok(runs.into_values().collect())
}

fn same_place(one: &Path, other: &Path) -> bool {
    one == other
        || fs::canonicalize(one).is_ok_and(|one| fs::canonicalize(other).is_ok_and(|other| one == other))
}
