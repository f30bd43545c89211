//! Runs a plan: every run for every seed, whatever becomes of the others.

use crate::observers::Bars;
use crate::plan::Plan;
use crate::run::{self, Job};
use crate::used_data::Data;
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
    let data = Data::new(registry, runs);
    // What is wrong with it is said once, and not by every run.
    plan.runs().try_for_each(|planned| data.open_all(&planned.recipe))?;
    plan.write(runs)?;
    let bars = Bars::new(title, (plan.seeds.len() * plan.runs().count()) as u64);
    let mut failed = 0;
    // Seed by seed, so that a table is whole as early as possible.
    for &seed in &plan.seeds {
        for planned in plan.runs() {
            let name = format!("{} seed {seed}", planned.name);
            let job =
                Job { recipe: &planned.recipe, name: &planned.name, scale: &plan.scale, seed, runs, force };
            let attempt = || run::run(&job, &data, bars.run(&name), stop);
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
