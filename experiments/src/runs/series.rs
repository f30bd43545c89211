//! Runs one after another, whatever becomes of the others.

use super::data::Data;
use super::job::Job;
use super::run::run;
use crate::observers::Bars;
use crate::{figures, output};
use anyhow::{Result, anyhow};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use univip_core::counted::counted;
use univip_core::error::Interrupted;

/// The runs of a command.
pub struct Series<'a> {
    title: &'a str,
    jobs: Vec<Job<'a>>,
    /// The indices of the jobs that are not finished.
    left: Vec<usize>,
}

/// The end of a series.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every run is finished.
    Finished,
    /// Some runs failed; the others are finished.
    Failed,
    /// The user stopped it.
    Interrupted,
}

impl<'a> Series<'a> {
    /// The jobs, in the order in which they are run.
    pub fn new(title: &'a str, jobs: Vec<Job<'a>>) -> Self {
        // A record that cannot be read is its run's to tell.
        let is_left = |place: &usize| !jobs[*place].is_finished().unwrap_or(false);
        let left = (0..jobs.len()).filter(is_left).collect();
        Self { title, jobs, left }
    }

    /// True when nothing is left to do.
    pub fn is_finished(&self) -> bool {
        self.left.is_empty()
    }

    /// Opens the data of all runs that are left: what is wrong with it is said once, and not by every run.
    ///
    /// # Errors
    /// A [`univip_core::error::RecipeError`] when it cannot be opened.
    pub fn open_data(&self, data: &Data<'_>) -> Result<()> {
        let mut asked = self.left.iter().flat_map(|place| &self.jobs[*place].asked);
        asked.try_for_each(|asked| data.open_all(&asked.recipe))
    }

    /// Runs what is not finished. A failed run is reported and the others go on.
    pub fn run(&self, data: &Data<'_>, stop: &AtomicBool) -> Outcome {
        let mut counts = Counts { all: self.jobs.len(), ..Counts::default() };
        let (bars, begun) = (Bars::new(self.title, counts.all as u64), Instant::now());
        for job in &self.jobs {
            let title = format!("{} seed {}", job.name, job.seed);
            let attempt = || run(job, data, bars.run(&title), stop);
            // A plugin that panics costs its own run, not the table.
            let outcome = catch_unwind(AssertUnwindSafe(attempt))
                .unwrap_or_else(|_| Err(anyhow!("a plugin panicked (its message is above)")));
            bars.line(&format!("{title}: {}", counts.add(outcome)));
            bars.finish_run();
            if counts.interrupted || stop.load(Ordering::Relaxed) {
                counts.interrupted = true;
                break;
            }
        }
        bars.clear();
        let runs = self.jobs.first().map_or(Path::new(""), |job| job.runs);
        output::say(format_args!("{}: {}", self.title, counts.closing(runs, begun.elapsed())));
        counts.outcome()
    }
}

/// The runs so far.
#[derive(Default)]
struct Counts {
    all: usize,
    finished: usize,
    failed: usize,
    interrupted: bool,
}

impl Counts {
    /// Counts a run, and describes its end.
    fn add(&mut self, outcome: Result<PathBuf>) -> String {
        match outcome {
            Ok(directory) => {
                self.finished += 1;
                format!("finished, in {}", directory.display())
            }
            Err(error) if error.is::<Interrupted>() => {
                self.interrupted = true;
                error.to_string()
            }
            Err(error) => {
                self.failed += 1;
                format!("failed: {error:#}")
            }
        }
    }

    fn outcome(&self) -> Outcome {
        match self.failed {
            _ if self.interrupted => Outcome::Interrupted,
            0 => Outcome::Finished,
            _ => Outcome::Failed,
        }
    }

    /// The last line: the number of finished runs, and their place.
    fn closing(&self, runs: &Path, elapsed: Duration) -> String {
        let Self { all, finished, failed, .. } = self;
        let failed = if *failed == 0 { String::new() } else { format!(", {failed} failed") };
        let all = counted(*all, "run[|s] finished");
        let (time, runs) = (figures::time(elapsed), runs.display());
        format!(
            "{finished} of {all}{failed}, after {time}; results are in {runs}, and `univip-reports {runs}` \
             makes their tables"
        )
    }
}
