//! One run's directory: what is in it, and who may write there.

use crate::stored;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use univip_core::evaluate::Metric;
use univip_core::files::{remove_abandoned, write_atomic};
use univip_core::recipe::Measurement;
use univip_run_format::{EVALUATIONS, Evaluated, Lines, RECORD, RunRecord, directory_name, parse_lines};

/// The directory of one recipe and seed, locked while this value lives. [`univip_run_format`] has its contents.
pub struct RunDirectory {
    path: PathBuf,
    _lock: File,
}

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

impl RunDirectory {
    /// The directory under `runs` of that fingerprint and seed, whatever row it was first run for; a new one
    /// is called after `name`.
    ///
    /// A copy that somebody gave another name is not it: a run's directory is called as its record says.
    pub fn find(runs: &Path, name: &str, fingerprint: &str, seed: u64) -> Result<PathBuf> {
        let ending = directory_name("", fingerprint, seed);
        let own = runs.join(directory_name(name, fingerprint, seed));
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
        // The choice among several must not depend on the disk.
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

    /// Its path.
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

    /// Those of the measurements that have no number yet. Lines without a digest, which earlier versions wrote, are of the measurements
    /// `own` of the run's recipe, by their names.
    pub fn unmeasured(&self, asked: &[Measurement], own: &[Measurement]) -> Result<Vec<Measurement>> {
        let lines = read_evaluations(&self.path)?;
        let of_own = |line: &Evaluated| {
            let own = own.iter().find(|own| own.name == line.evaluator && line.set.is_empty());
            own.map(|own| own.digest.clone())
        };
        let digests = lines.iter().filter_map(|line| line.digest.clone().or_else(|| of_own(line)));
        // Two names of one measurement are measured once.
        let mut known: BTreeSet<String> = digests.collect();
        Ok(asked.iter().filter(|each| known.insert(each.digest.clone())).cloned().collect())
    }

    /// Appends what an evaluator measured, all of it at once, in place of a last line that was cut short.
    pub fn append_evaluations(&self, evaluated: &[Evaluated]) -> Result<()> {
        let path = self.file(EVALUATIONS);
        let mut text = read_if_there(&path)?;
        text.truncate(parse_evaluations(&path, &text)?.bytes);
        if text.last().is_some_and(|last| *last != b'\n') {
            text.push(b'\n');
        }
        for each in evaluated {
            text.extend(serde_json::to_vec(each)?);
            text.push(b'\n');
        }
        write_atomic(&path, &text)
    }
}

/// The numbers in a run's directory, without a last line that was cut short.
pub fn read_evaluations(directory: &Path) -> Result<Vec<Evaluated>> {
    let path = directory.join(EVALUATIONS);
    Ok(parse_evaluations(&path, &read_if_there(&path)?)?.items)
}

fn parse_evaluations(path: &Path, text: &[u8]) -> Result<Lines<Evaluated>> {
    parse_lines(text).with_context(|| path.display().to_string())
}

/// The bytes of a file; none if it does not exist.
fn read_if_there(path: &Path) -> Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        read => read.with_context(|| format!("reading {}", path.display())),
    }
}

/// The origin of measured numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The measurement's name.
    pub name: String,
    /// Its digest; none of numbers of other images than the run's.
    pub digest: Option<String>,
    /// The dataset that the recipe has for probe data.
    pub probe_data: String,
    /// The settings that differ from the run's recipe.
    pub set: Vec<String>,
}

/// The lines of `evaluations.jsonl` for what was measured.
pub fn evaluated(origin: &Origin, metrics: &[Metric]) -> Vec<Evaluated> {
    let Origin { name, digest, probe_data, set } = origin;
    let line = |metric| Evaluated {
        evaluator: name.clone(),
        digest: digest.clone(),
        probe_data: Some(probe_data.clone()),
        metric: stored::metric(metric),
        set: set.clone(),
    };
    metrics.iter().map(line).collect()
}

/// Reads `run.json` of a directory; none if it was never begun.
pub fn read_record(directory: &Path) -> Result<Option<RunRecord>> {
    let path = directory.join(RECORD);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).with_context(|| {
            format!("{} is not a run record; remove the directory or run with --force", path.display())
        })?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}
