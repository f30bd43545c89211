//! `univip proposals build`.

use super::store::{Opened, StoreChoice};
use crate::observers::Task;
use crate::system::interrupts::{self, STOP};
use crate::{figures, output};
use anyhow::{Result, bail};
use clap::{Args, value_parser};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use univip_core::counted::counted;
use univip_core::dataset::Dataset;
use univip_core::error::Interrupted;
use univip_core::pool::MOST_THREADS;
use univip_core::proposals::BuildOptions;
use univip_core::registry::Registry;

/// `univip proposals build`
#[derive(Args)]
pub struct Build {
    #[command(flatten)]
    store: StoreChoice,
    /// Threads; 0 is one per core
    #[arg(long, default_value_t = 0, value_parser = value_parser!(u16).range(0..=i64::from(MOST_THREADS)))]
    jobs: u16,
}

/// Shown by `univip proposals build --help`.
pub const EXAMPLES: &str = "Examples:
  univip proposals build --data coco=photos/coco
  univip proposals build --data coco=photos/coco --split val2017 --mode quality --jobs 8
  univip proposals build --data image-folder=photos/clothes --set proposal.selective-search.min_size=50

A whole store is left as it is, a killed build goes on, and other parameters make another store. A run with the
same --runs, data and parameters finds the boxes; without them it makes the same ones itself.";

impl Build {
    /// Builds what is left.
    ///
    /// # Errors
    /// [`Interrupted`] when a signal came; when no image can be read.
    pub fn run(&self, registry: &Registry) -> Result<()> {
        interrupts::listen(Some("these images"))?;
        build(&Opened::new(&self.store, registry, &STOP)?, self.jobs.into(), &STOP)
    }
}

/// Computes what is missing of a store, on `jobs` threads (0: one per core), until it is complete or `stop` is set.
fn build(opened: &Opened, jobs: usize, stop: &AtomicBool) -> Result<()> {
    let store = opened.store()?;
    let images = opened.dataset.len();
    let before = store.stored();
    let place = store.directory().display();
    let mut task = Task::alone(&opened.recipe.settings.proposals.name);
    task.show(before as u64, images as u64);
    let start = Instant::now();
    let mut progress = |done, total| {
        if stop.load(Ordering::Relaxed) {
            return Err(Interrupted::Elsewhere.into());
        }
        task.show(done, total);
        Ok(())
    };
    let options = BuildOptions { threads: jobs, broken: opened.recipe.settings.loader.broken };
    let built = opened.proposals.build(&*opened.dataset, images, options, &mut progress);
    drop(task);
    let skipped = match built {
        Ok(skipped) => skipped,
        Err(error) if error.is::<Interrupted>() => {
            let kept = store.stored();
            return Err(error.context(format!("{place} has {kept} of {images} images")));
        }
        Err(error) => return Err(error),
    };
    skipped.iter().for_each(|skipped| output::say(format_args!("warning: no boxes: {skipped}")));
    let said = match images - before {
        0 => format!("already complete, {}", counted(images, "image[|s]")),
        made => made_in(made, start.elapsed(), before),
    };
    output::print(format_args!("{place}: {said}\n"))?;
    if !skipped.is_empty() && skipped.len() == images {
        bail!("no image could be read; check --data");
    }
    Ok(())
}

fn made_in(made: usize, elapsed: Duration, before: usize) -> String {
    let rate = figures::rate(made as f64 / elapsed.as_secs_f64().max(1e-9));
    let (made, before) = (counted(made, "image[|s]"), counted(before, "[was|were] there"));
    format!("{made} made in {} ({rate} per second), {before}", figures::time(elapsed))
}
