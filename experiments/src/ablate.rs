//! Runs a plan: every run for every seed, whatever becomes of the others.

use crate::observers::Bars;
use crate::plan::{Plan, PlannedRun};
use crate::run::{self, Job};
use anyhow::{Result, anyhow};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
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
    let left = left(plan, runs, force);
    check_data(&left, registry)?;
    let written = plan.write(runs);
    let bars = Bars::new(title, (plan.seeds.len() * plan.runs().count()) as u64);
    match written {
        // Where nothing can be written, finished runs can still be looked at.
        Err(error) if left.is_empty() => {
            bars.line(&format!("warning: reports know of the plans before this one: {error:#}"));
        }
        written => written?,
    }
    let mut failed = 0;
    // Seed by seed, so that a table is whole as early as possible.
    for &seed in &plan.seeds {
        for planned in plan.runs() {
            let name = format!("{} seed {seed}", planned.name);
            let job =
                Job { recipe: &planned.recipe, name: &planned.name, scale: &plan.scale, seed, runs, force };
            let attempt = || run::run(&job, registry, bars.run(&name), stop);
            // A plugin that panics costs its own run, not the table.
            let outcome = catch_unwind(AssertUnwindSafe(attempt))
                .unwrap_or_else(|_| Err(anyhow!("a plugin panicked (its message is above)")));
            match outcome {
                Ok(_) => bars.line(&format!("{name}: finished")),
                Err(error) if error.is::<Interrupted>() => {
                    bars.clear();
                    eprintln!("{name}: {error}");
                    return Ok(Outcome::Interrupted);
                }
                Err(error) => {
                    failed += 1;
                    bars.line(&format!("{name}: failed: {error:#}"));
                }
            }
            bars.finish_run();
            if stop.load(Ordering::Relaxed) {
                bars.clear();
                return Ok(Outcome::Interrupted);
            }
        }
    }
    bars.clear();
    Ok(if failed == 0 { Outcome::Finished } else { Outcome::Failed(failed) })
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

/// Opens the data of the runs that are left, the same data once: what is wrong with it is said once, and not by every run.
fn check_data(left: &[&PlannedRun], registry: &Registry) -> Result<()> {
    let mut seen = Vec::new();
    for planned in left {
        let recipe = &planned.recipe;
        let (settings, roots) = (&recipe.settings, recipe.resolved().get("dataset"));
        let data = (&settings.data.name, &settings.probe_data.name, roots);
        if !seen.contains(&data) {
            run::open_all(recipe, registry)?;
            seen.push(data);
        }
    }
    Ok(())
}
