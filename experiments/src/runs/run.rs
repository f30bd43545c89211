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
use univip_core::recipe::OF_MEASUREMENTS;
use univip_core::toml_text;
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
    let Claimed { directory, mut record, left } = claim(job, data.registry(), &mut progress, stop)?;
    if !left {
        let path = reuse(job, data, directory.path(), &mut progress, stop)?;
        if record.status != Status::Finished {
            // Its process was killed after the last number, or failed in what another row asks for.
            (record.status, record.error) = (Status::Finished, None);
            directory.write_record(&record)?;
        }
        return Ok(path);
    }
    if !record.trained || differs(directory.path(), job) {
        write_atomic(&directory.file(RECIPE), job.recipe.show().as_bytes())?;
    }
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
        ledger.check_all(&job.asked, data, progress, stop)?;
    }
    // Whoever reuses a finished run may have been killed in the writing below. Where nothing can be removed, nothing was written.
    let _ = remove_abandoned(directory);
    if differs(directory, job) {
        // The finished run is as good as before where nothing can be written.
        if let Err(error) = write_atomic(&directory.join(RECIPE), job.recipe.show().as_bytes()) {
            let message = format!("recipe.toml keeps the old path of the data: {error:#}");
            progress.observe(&Event::Warning { message })?;
        }
    }
    Ok(directory.to_path_buf())
}

/// True when `recipe.toml` of a trained run must be written anew: data that was moved is where the recipe says now. It stays as it
/// is where the recipe only asks for other measurements than the one that the run was begun for, or has other comments.
fn differs(directory: &Path, job: &Job<'_>) -> bool {
    let values = |text: &str| toml_text::parse::<toml::Table>(text).ok();
    let Ok(then) = std::fs::read_to_string(directory.join(RECIPE)) else { return true };
    let (Some(then), Some(now)) = (values(&then), values(&job.recipe.show())) else { return true };
    let measured = |table: &toml::Table| OF_MEASUREMENTS.map(|section| table.get(section).cloned());
    let trained = |table: &toml::Table| {
        let mut table = table.clone();
        table.retain(|section, _| !OF_MEASUREMENTS.contains(&section));
        let data = job.recipe.settings.data.name.as_str();
        if let Some(toml::Value::Table(datasets)) = table.get_mut("dataset") {
            datasets.retain(|name, _| name == data);
        }
        table
    };
    trained(&then) != trained(&now) || (then != now && measured(&then) == measured(&now))
}
