//! Runs a plan: every run for every seed, whatever becomes of the others.

use crate::observers::Bars;
use crate::plan::{Plan, PlannedRun};
use crate::runs::data::Data;
use crate::runs::run::{self, Job};
use crate::{figures, output};
use anyhow::{Result, anyhow};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use univip_core::error::Interrupted;
use univip_core::registry::Registry;

/// What became of a plan.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every run is finished.
    Finished,
    /// So many runs failed; the others are finished.
    Failed(usize),
    /// The user stopped it.
    Interrupted,
}

/// Runs what is not finished. A failed run is reported and the others go on.
///
/// # Errors
/// A [`univip_core::error::RecipeError`] when the data of a run cannot be opened: nothing is run then.
pub fn ablate(
    plan: &Plan,
    title: &str,
    registry: &Registry,
    runs: &Path,
    force: bool,
    stop: &AtomicBool,
) -> Result<Outcome> {
    let (left, data) = (left(plan, runs, force), Data::new(registry, runs));
    // What is wrong with it is said once, and not by every run.
    left.iter().try_for_each(|planned| data.open_all(&planned.recipe))?;
    let written = plan.write(runs);
    let mut counts = Counts { all: plan.seeds.len() * plan.runs().count(), ..Counts::default() };
    let (bars, begun) = (Bars::new(title, counts.all as u64), Instant::now());
    match written {
        // Where nothing can be written, finished runs can still be looked at.
        Err(error) if left.is_empty() => {
            bars.line(&format!("warning: reports know of the plans before this one: {error:#}"));
        }
        written => written?,
    }
    // Seed by seed, so that a table is whole as early as possible.
    let planned = plan.seeds.iter().flat_map(|seed| plan.runs().map(move |planned| (*seed, planned)));
    for (seed, planned) in planned {
        let PlannedRun { name, recipe } = planned;
        let title = format!("{name} seed {seed}");
        let job = Job { recipe, name, scale: &plan.scale, seed, runs, force };
        let attempt = || run::run(&job, &data, bars.run(&title), stop);
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
    output::say(format_args!("{title}: {}", counts.closing(runs, begun.elapsed())));
    Ok(counts.outcome())
}

/// What became of the runs so far.
#[derive(Default)]
struct Counts {
    all: usize,
    finished: usize,
    failed: usize,
    interrupted: bool,
}

impl Counts {
    /// Counts a run, and says what became of it.
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
            failed => Outcome::Failed(failed),
        }
    }

    /// The last line: how many there are, and where.
    fn closing(&self, runs: &Path, elapsed: Duration) -> String {
        let Self { all, finished, failed, .. } = self;
        let failed = if *failed == 0 { String::new() } else { format!(", {failed} failed") };
        let (time, runs) = (figures::time(elapsed), runs.display());
        format!(
            "{finished} of {all} runs finished{failed}, after {time}; results are in {runs}, and `univip-reports {runs}` \
             makes their tables"
        )
    }
}

/// The runs that are not finished for every seed.
fn left<'a>(plan: &'a Plan, runs: &Path, force: bool) -> Vec<&'a PlannedRun> {
    let is_left = |planned: &&PlannedRun| {
        let fingerprint = planned.recipe.fingerprint();
        // A record that cannot be read is its run's to tell.
        let finished = |seed: &u64| run::finished(runs, &planned.name, &fingerprint, *seed).unwrap_or(false);
        force || !plan.seeds.iter().all(finished)
    };
    plan.runs().filter(is_left).collect()
}
