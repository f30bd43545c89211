//! A run that is to be made.

use super::directory::{RunDirectory, read_record};
use anyhow::Result;
use std::path::{Path, PathBuf};
use univip_core::recipe::Recipe;
use univip_run_format::Status;

/// A recipe to run with a seed, and the place for it.
pub struct Job<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
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
    /// When its record cannot be read.
    pub fn is_finished(&self) -> Result<bool> {
        Ok(!self.force && finished(self.runs, self.name, &self.recipe.fingerprint(), self.seed)?)
    }

    /// Its directory, whether it is there or not.
    pub fn directory(&self) -> Result<PathBuf> {
        RunDirectory::find(self.runs, self.name, &self.recipe.fingerprint(), self.seed)
    }
}

/// True when a run with that name, fingerprint and seed is finished.
///
/// # Errors
/// When its record cannot be read.
pub fn finished(runs: &Path, name: &str, fingerprint: &str, seed: u64) -> Result<bool> {
    let directory = RunDirectory::find(runs, name, fingerprint, seed)?;
    Ok(read_record(&directory)?.is_some_and(|record| record.status == Status::Finished))
}
