//! Runs whose pre-training has ended, found by their names.

use super::directory::read_record;
use crate::usage::usage;
use anyhow::{Context, Result, bail};
use candle_core::Device;
use std::fs;
use std::path::{Path, PathBuf};
use univip_core::error::suggest;
use univip_core::evaluate::FrozenBackbone;
use univip_core::nn::backbone_file;
use univip_core::recipe::{Override, Recipe, Sources};
use univip_core::registry::Registry;
use univip_run_format::{BACKBONE, RECIPE, RECORD, RunRecord, Status};

/// A run with its backbone.
pub struct TrainedRun {
    /// Its directory.
    pub path: PathBuf,
    /// Its `run.json`.
    pub record: RunRecord,
}

impl TrainedRun {
    /// The run in the directory `name`, or the one in `runs` whose name is or begins with it.
    ///
    /// # Errors
    /// A [`UsageError`](crate::usage::UsageError) when there is none or more than one; when its pre-training has not ended.
    pub fn find(name: &str, runs: &Path) -> Result<Self> {
        let path = directory(name, runs)?;
        let record = read_record(&path)?;
        let record = record
            .with_context(|| format!("{} has no run.json: it is not a run directory", path.display()))?;
        match record.status {
            _ if backbone(&path).exists() => Ok(Self { path, record }),
            Status::Finished => bail!(
                "{} is missing, though the run is finished: run its recipe again with --force to make it anew",
                backbone(&path).display()
            ),
            status => bail!(
                "the pre-training of {} has not ended (it is {}): run its recipe again to finish it",
                path.display(),
                status.name()
            ),
        }
    }

    /// The recipe that it was run with, and what is laid over it.
    pub fn recipe(&self, overlays: Vec<Override>, sets: Vec<String>) -> Result<Recipe> {
        recipe_of(&self.path, overlays, sets)
    }

    /// Its backbone.
    ///
    /// # Errors
    /// When the file is not whole or its tensors are not those of the recipe's network: all of them are listed.
    pub fn backbone(&self, recipe: &Recipe, device: &Device) -> Result<FrozenBackbone> {
        backbone_file::read(&backbone(&self.path), &recipe.backbone(&Registry::linked()?)?, device)
    }
}

/// The recipe of the run in `directory`, and what is laid over it.
pub fn recipe_of(directory: &Path, overlays: Vec<Override>, sets: Vec<String>) -> Result<Recipe> {
    let path = directory.join(RECIPE);
    Recipe::load(&Sources { path, overlays, sets, ..Sources::default() })
}

fn backbone(run: &Path) -> PathBuf {
    run.join(BACKBONE)
}

fn directory(name: &str, runs: &Path) -> Result<PathBuf> {
    let given = PathBuf::from(name);
    if given.is_dir() {
        return Ok(given);
    }
    let mut known = Vec::new();
    if runs.is_dir() {
        let listing = || format!("listing {}", runs.display());
        for entry in fs::read_dir(runs).with_context(listing)? {
            let path = entry.with_context(listing)?.path();
            if path.join(RECORD).exists() {
                known.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
            }
        }
    }
    known.sort();
    let beginning = |beginning: &str| -> Vec<&String> {
        known.iter().filter(|run| *run == name || run.starts_with(beginning)).collect()
    };
    // `table9-1` is that row, and not the beginning of `table9-10`.
    let mut found = beginning(&format!("{name}-"));
    if found.is_empty() {
        found = beginning(name);
    }
    match found[..] {
        [run] => Ok(runs.join(run)),
        [] if known.is_empty() => {
            let state = if runs.is_dir() { "holds no run" } else { "does not exist" };
            let problem =
                format!("no directory is called `{name}`, and {} {state}; see --runs", runs.display());
            Err(usage("RUN", problem))
        }
        [] => {
            // `table7-e` of `table7-e-0123456789ab-s0` is what people type.
            let rows = known.iter().map(|run| run.rsplitn(3, '-').last().unwrap_or(run));
            let mut rows: Vec<&str> = rows.collect();
            rows.dedup();
            let problem = format!(
                "no directory and no run in {} is called `{name}`; {}",
                runs.display(),
                suggest(name, &rows)
            );
            Err(usage("RUN", problem))
        }
        _ => {
            let found: Vec<&str> = found.iter().map(|run| run.as_str()).collect();
            Err(usage("RUN", format!("`{name}` matches several runs: {}", found.join(", "))))
        }
    }
}
