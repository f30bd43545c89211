//! A run that is to be made, and the part of it that is done.

use super::directory::{RunDirectory, read_evaluations, read_record};
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use univip_core::assemble::Assembly;
use univip_core::recipe::{Measurement, Recipe};
use univip_core::registry::Registry;
use univip_run_format::{BACKBONE, Status};

/// A recipe, and the measurements that it asks for.
pub struct Asked {
    /// The recipe.
    pub recipe: Recipe,
    /// Its measurements, in its order.
    pub measurements: Vec<Measurement>,
}

impl Asked {
    /// The measurements of a recipe.
    ///
    /// # Errors
    /// When an evaluator refuses its table.
    pub fn of(recipe: Recipe, registry: &Registry) -> Result<Self> {
        let names = &recipe.settings.evaluators.names;
        let measurements = Assembly::new(&recipe, registry).measurements(names)?;
        Ok(Self { recipe, measurements })
    }

    /// True when the other one asks for the same measurements, too, on data of the same name.
    pub fn measures_as(&self, other: &Self) -> bool {
        let probe_data = |asked: &Self| asked.recipe.settings.probe_data.name.clone();
        self.digests() == other.digests() && probe_data(self) == probe_data(other)
    }

    /// True when the other one is of the same pre-training, too.
    pub fn is_same(&self, other: &Self) -> bool {
        self.recipe.fingerprint() == other.recipe.fingerprint() && self.measures_as(other)
    }

    /// The digests of the measurements, by their names.
    pub fn digests(&self) -> BTreeMap<String, String> {
        self.measurements.iter().map(|each| (each.name.clone(), each.digest.clone())).collect()
    }
}

/// A pre-training with a seed, the measurements that are asked of it, and the place for them.
pub struct Job<'a> {
    /// The recipe of the pre-training.
    pub recipe: &'a Recipe,
    /// The recipes that ask for measurements. All have this pre-training.
    pub asked: Vec<&'a Asked>,
    /// `table7-e`.
    pub name: &'a str,
    /// The scale's name.
    pub scale: &'a str,
    /// The seed.
    pub seed: u64,
    /// The directory of run directories and the proposals' store.
    pub runs: &'a Path,
    /// Discard existing results and start over.
    pub force: bool,
}

impl Job<'_> {
    /// True when nothing of it is left to do.
    ///
    /// # Errors
    /// When what is there cannot be read.
    pub fn is_finished(&self) -> Result<bool> {
        if self.force {
            return Ok(false);
        }
        let done = Done::of(&self.directory()?)?;
        Ok(done.finished && self.is_done(&done))
    }

    /// True when the pre-training and all measurements are done.
    pub fn is_done(&self, done: &Done) -> bool {
        let mut asked = self.asked.iter().flat_map(|asked| &asked.measurements);
        done.trained && asked.all(|measurement| done.measured.contains(&measurement.digest))
    }

    /// `table7-e seed 0`.
    pub fn title(&self) -> String {
        format!("{} seed {}", self.name, self.seed)
    }

    /// Its directory, whether it is there or not.
    pub fn directory(&self) -> Result<PathBuf> {
        RunDirectory::find(self.runs, self.name, &self.recipe.fingerprint(), self.seed)
    }
}

/// The part of a run that is done.
#[derive(Debug, Default)]
pub struct Done {
    /// True when the pre-training has ended, and its backbone is there.
    pub trained: bool,
    /// The digests of the measurements that were made, and of those that found nothing to measure.
    pub measured: BTreeSet<String>,
    /// True when nothing is left that was asked of it last.
    finished: bool,
}

impl Done {
    /// Of the run in a directory.
    ///
    /// # Errors
    /// When its record or its numbers cannot be read.
    pub fn of(directory: &Path) -> Result<Self> {
        let Some(record) = read_record(directory)? else { return Ok(Self::default()) };
        let numbers = read_evaluations(directory)?.into_iter().filter_map(|line| line.digest);
        let nothing = record.measurements.keys().filter(|digest| record.found_nothing(digest));
        let finished = record.status == Status::Finished;
        Ok(Self {
            trained: finished || (record.trained && directory.join(BACKBONE).exists()),
            measured: numbers.chain(nothing.cloned()).collect(),
            finished,
        })
    }

    /// Of the run with that name, fingerprint and seed.
    ///
    /// # Errors
    /// As [`Done::of`].
    pub fn find(runs: &Path, name: &str, fingerprint: &str, seed: u64) -> Result<Self> {
        Self::of(&RunDirectory::find(runs, name, fingerprint, seed)?)
    }
}
