//! One run, from a recipe and a seed to measured numbers in a directory.

use super::claim::{Claimed, claim};
use super::data::{Data, Ledger};
use super::directory::read_record;
use super::job::Job;
use super::phases::Work;
use super::record::end_sitting;
use crate::observers::{Observers, Progress};
use crate::system::machine;
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use univip_core::error::Interrupted;
use univip_core::event::{Event, Observer};
use univip_core::files::{remove_abandoned, write_atomic};
use univip_run_format::{RECIPE, Status};

/// Runs the job or what is left of it, and returns its directory.
///
/// # Errors
/// Whatever stops it; `run.json` then says why. [`Interrupted`] when `stop` was set.
pub fn run(job: &Job<'_>, data: &Data<'_>, mut progress: Progress, stop: &AtomicBool) -> Result<PathBuf> {
    // Found out before anything is written: finished runs may be where nothing can be.
    if job.is_finished()? {
        return reuse(job, data, &job.directory()?, &mut progress, stop);
    }
    let Claimed { directory, mut record } = claim(job, data.registry(), &mut progress, stop)?;
    if record.status == Status::Finished {
        return reuse(job, data, directory.path(), &mut progress, stop);
    }
    write_atomic(&directory.file(RECIPE), job.recipe.show().as_bytes())?;
    machine::reset_peak_memory();
    let mut observers = Observers::new(directory.path(), progress);
    let outcome = Work { job, data, directory: &directory, stop }.all(&mut record, &mut observers);
    record.peak_memory_bytes = machine::peak_memory().max(record.peak_memory_bytes);
    record.status = match &outcome {
        Ok(()) => Status::Finished,
        Err(error) if error.is::<Interrupted>() => Status::Interrupted,
        Err(_) => Status::Failed,
    };
    record.error = outcome.as_ref().err().map(|error| format!("{error:#}"));
    end_sitting(&mut record)?;
    directory.write_record(&record)?;
    outcome.map(|()| directory.path().to_path_buf())
}

/// Returns the directory of a finished run, unless its data has changed since.
fn reuse(
    job: &Job<'_>,
    data: &Data<'_>,
    directory: &Path,
    progress: &mut Progress,
    stop: &AtomicBool,
) -> Result<PathBuf> {
    if let Some(record) = read_record(directory)? {
        let ledger = Ledger::of(&record, data);
        for part in ledger.parts(job.recipe, data)? {
            data.look(&part, progress, stop)?;
            ledger.check(&part)?;
        }
    }
    // Whoever reuses a finished run may have been killed in the writing below. Where nothing can be removed, nothing was written.
    let _ = remove_abandoned(directory);
    // Data that was moved is where the recipe says now. Other rows of the same recipe differ in its comments alone.
    let (path, recipe) = (directory.join(RECIPE), job.recipe.show());
    let values = |text: &str| text.parse::<toml::Table>().ok();
    if std::fs::read_to_string(&path).ok().and_then(|then| values(&then)) != values(&recipe) {
        // The finished run is as good as before where nothing can be written.
        if let Err(error) = write_atomic(&path, recipe.as_bytes()) {
            let message = format!("recipe.toml keeps the old path of the data: {error:#}");
            progress.observe(&Event::Warning { message })?;
        }
    }
    Ok(directory.to_path_buf())
}
