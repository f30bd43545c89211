//! Runs one after another or several at a time, whatever becomes of the others.

use super::data::Data;
use super::job::Job;
use super::processes::{self, Processes};
use super::queue::{Queue, pixels};
use super::run::run;
use crate::observers::Bars;
use crate::system::{device, interrupts};
use crate::{figures, output};
use anyhow::{Context, Result, anyhow};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use univip_core::counted::counted;
use univip_core::error::Interrupted;
use univip_core::networks::leaves_threads_idle;
use univip_core::registry::Registry;

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

    /// The number of runs that are not finished.
    pub fn left(&self) -> usize {
        self.left.len()
    }

    /// Opens the data of all runs that are left: what is wrong with it is said once, and not by every run.
    ///
    /// # Errors
    /// A [`univip_core::error::RecipeError`] when it cannot be opened.
    pub fn open_data(&self, data: &Data<'_>) -> Result<()> {
        let mut asked = self.left.iter().flat_map(|place| &self.jobs[*place].asked);
        asked.try_for_each(|asked| data.open_all(&asked.recipe))
    }

    /// The number of runs that are worth making at the same time: as many as there are threads where the steps of all that are left are
    /// too small for several threads; otherwise 1.
    ///
    /// # Errors
    /// When a recipe names plugins that are not linked, or no device can be used.
    pub fn worth_at_once(&self, registry: &Registry) -> Result<usize> {
        /// Each takes memory.
        const MOST: usize = 8;
        let mut small = device::best()?.is_cpu();
        for place in &self.left {
            let recipe = self.jobs[*place].recipe;
            let pixels = recipe.settings.train.batch * pixels(recipe, registry)?;
            small &= leaves_threads_idle(pixels, recipe.settings.network.width);
        }
        Ok(if small { rayon::current_num_threads().min(self.left.len()).clamp(1, MOST) } else { 1 })
    }

    /// Runs what is not finished, one after another. A failed run is reported and the others go on.
    pub fn run(&self, data: &Data<'_>, stop: &AtomicBool) -> Outcome {
        self.all(|bars, counts| {
            for job in &self.jobs {
                counts.add(here(job, data, bars, stop));
                bars.finish_run();
                if counts.interrupted || stop.load(Ordering::Relaxed) {
                    counts.interrupted = true;
                    break;
                }
            }
        })
    }

    /// Runs what is not finished, `at_once` at a time, each in a process of its own.
    pub fn run_at_once(&self, at_once: usize, data: &Data<'_>, stop: &AtomicBool) -> Outcome {
        self.all(|bars, counts| {
            let threads = (rayon::current_num_threads() / at_once).max(1);
            let mut processes = Processes::new(bars, threads);
            let mut jobs = Queue::new(&self.jobs, data.registry());
            loop {
                bars.at_once(at_once);
                while processes.len() < at_once && !stop.load(Ordering::Relaxed) {
                    let Some(job) = jobs.next(&processes.running()) else { break };
                    let ended = match job.is_finished() {
                        Ok(true) => here(job, data, bars, stop),
                        _ => match processes.start(job) {
                            Ok(()) => continue,
                            Err(error) => failed(&job.title(), &error, bars),
                        },
                    };
                    counts.add(ended);
                    bars.finish_run();
                }
                if processes.len() == 0 {
                    break;
                }
                counts.add(elsewhere(processes.wait(stop), bars));
                bars.finish_run();
            }
            counts.interrupted |= stop.load(Ordering::Relaxed);
        })
    }

    /// Shows the bars while `runs` makes the runs, and says the last line.
    fn all(&self, runs: impl FnOnce(&Bars, &mut Counts)) -> Outcome {
        let mut counts = Counts { all: self.jobs.len(), ..Counts::default() };
        let (bars, begun) = (Bars::new(self.title, counts.all as u64), Instant::now());
        runs(&bars, &mut counts);
        bars.clear();
        let place = self.jobs.first().map_or(Path::new(""), |job| job.runs);
        output::say(format_args!("{}: {}", self.title, counts.closing(place, begun.elapsed())));
        counts.outcome()
    }
}

/// Makes one of the jobs, for a process that has started this one; `live` if it shows the lines in a terminal.
///
/// # Errors
/// When there is no such job: a recipe has changed meanwhile.
pub fn run_only(
    jobs: &[Job<'_>],
    only: &str,
    live: bool,
    data: &Data<'_>,
    stop: &AtomicBool,
) -> Result<Outcome> {
    let job = jobs.iter().find(|job| processes::only(job) == only).with_context(|| {
        format!("no run of this plan is {only}: a recipe has changed since the command began; start it anew")
    })?;
    for asked in &job.asked {
        data.open_all(&asked.recipe)?;
    }
    let (bars, mut counts) = (Bars::of_one_run(live), Counts::default());
    bars.line(&format!("{}: begins", job.title()));
    counts.add(here(job, data, &bars, stop));
    Ok(counts.outcome())
}

/// Makes a run in this process, and says how it ends.
fn here(job: &Job<'_>, data: &Data<'_>, bars: &Bars, stop: &AtomicBool) -> End {
    let title = job.title();
    let attempt = || run(job, data, bars.run(&title), stop);
    // A plugin that panics costs its own run, not the table.
    let outcome = catch_unwind(AssertUnwindSafe(attempt))
        .unwrap_or_else(|_| Err(anyhow!("a plugin panicked (its message is above)")));
    match outcome {
        Ok(directory) => {
            bars.line(&format!("{title}: finished, in {}", directory.display()));
            End::Finished
        }
        Err(error) if error.is::<Interrupted>() => {
            bars.line(&format!("{title}: {error}"));
            End::Interrupted
        }
        Err(error) => failed(&title, &error, bars),
    }
}

fn failed(title: &str, error: &anyhow::Error, bars: &Bars) -> End {
    bars.line(&format!("{title}: failed: {error:#}"));
    End::Failed
}

/// The end of a run in another process, which has said it unless it was killed.
fn elsewhere((name, ended): (String, Result<ExitStatus>), bars: &Bars) -> End {
    let error = match ended {
        Ok(status) if status.success() => return End::Finished,
        Ok(status) if status.code().is_some_and(interrupts::is_of_a_signal) => return End::Interrupted,
        Ok(status) if status.code().is_some() => return End::Failed,
        Ok(status) => anyhow!("its process was ended ({status}); run the same command to go on"),
        Err(error) => error,
    };
    failed(&name, &error, bars)
}

/// The end of a run.
#[derive(Debug, Clone, Copy)]
enum End {
    Finished,
    Failed,
    Interrupted,
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
    fn add(&mut self, end: End) {
        match end {
            End::Finished => self.finished += 1,
            End::Failed => self.failed += 1,
            End::Interrupted => self.interrupted = true,
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
