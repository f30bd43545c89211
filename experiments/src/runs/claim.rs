//! Taking hold of a run's directory.

use super::directory::{RunDirectory, lock_runs, read_record};
use super::job::{Done, Job};
use super::record;
use anyhow::{Result, ensure};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use univip_core::error::Interrupted;
use univip_core::event::{Event, Observer};
use univip_core::registry::Registry;
use univip_run_format::{BACKBONE, RunRecord, Status};

/// A run that no other process works on.
pub struct Claimed {
    /// Its directory.
    pub directory: RunDirectory,
    /// Its record, in which this process has begun a sitting where something is left to do.
    pub record: RunRecord,
    /// True when something is left to do.
    pub left: bool,
}

/// The time between two looks at a run that another process works on.
const PAUSE: Duration = Duration::from_millis(200);

/// Opens the run's directory; while another process works on the run, waits for it.
///
/// # Errors
/// [`Interrupted`] when `stop` is set meanwhile; when the directory cannot be written; when there is no backbone to measure.
pub fn claim(
    job: &Job<'_>,
    registry: &Registry,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<Claimed> {
    let mut waited = false;
    loop {
        // Until the record is there, another process would begin the same recipe under another row's name.
        let lock = lock_runs(job.runs)?;
        let path = job.directory()?;
        if let Some(directory) = RunDirectory::try_open(&path)? {
            return open(job, registry, directory, waited);
        }
        drop(lock);
        if !waited {
            let message = format!("another process works in {}: waiting for it", path.display());
            observer.observe(&Event::Warning { message })?;
        }
        waited = true;
        if stop.load(Ordering::Relaxed) {
            return Err(Interrupted::Elsewhere.into());
        }
        std::thread::sleep(PAUSE);
    }
}

fn open(job: &Job<'_>, registry: &Registry, directory: RunDirectory, waited: bool) -> Result<Claimed> {
    // A run that another process has finished meanwhile is new already.
    if job.force && !(waited && job.is_done(&Done::of(directory.path())?)) {
        directory.clear()?;
    }
    let done = Done::of(directory.path())?;
    let mut record = match read_record(directory.path())? {
        Some(record) => record,
        None => record::begin(job, &job.recipe.fingerprint(), registry)?,
    };
    let left = !job.is_done(&done);
    if left {
        let backbone = directory.file(BACKBONE);
        ensure!(
            record.status != Status::Finished || backbone.exists(),
            "{} is missing, though the run is finished: run its recipe again with --force to make it anew",
            backbone.display()
        );
        (record.status, record.error, record.trained) = (Status::Running, None, done.trained);
        record::begin_sitting(&mut record)?;
        record::note_plugins(&mut record, job, registry);
        directory.write_record(&record)?;
    }
    Ok(Claimed { directory, record, left })
}
