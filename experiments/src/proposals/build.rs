//! `univip proposals build`.

use super::{Opened, bar};
use crate::output;
use anyhow::{Result, bail};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use univip_core::dataset::Dataset;
use univip_core::error::Interrupted;
use univip_core::proposals::BuildOptions;

/// Computes what is missing of a store, on `jobs` threads (0: one a core), until it is whole or `stop` is set.
pub fn build(opened: &Opened, jobs: usize, stop: &AtomicBool) -> Result<()> {
    let store = opened.store()?;
    let images = opened.dataset.len();
    let before = store.stored();
    let place = store.directory().display();
    if before == images {
        return output::print(format_args!("{place}: whole already, {images} images\n"));
    }
    let bar = bar(images, &opened.recipe.settings.proposals.name);
    bar.set_position(before as u64);
    bar.reset_eta();
    let start = Instant::now();
    let mut progress = |done, total| {
        if stop.load(Ordering::Relaxed) {
            return Err(Interrupted::Elsewhere.into());
        }
        bar.set_length(total);
        bar.set_position(done);
        Ok(())
    };
    let options = BuildOptions { threads: jobs, broken: opened.recipe.settings.loader.broken };
    let built = opened.proposals.build(&*opened.dataset, images, options, &mut progress);
    bar.finish_and_clear();
    let skipped = match built {
        Ok(skipped) => skipped,
        Err(error) if error.is::<Interrupted>() => {
            let kept = store.stored();
            return Err(error.context(format!("{place} has {kept} of {images} images")));
        }
        Err(error) => return Err(error),
    };
    skipped.iter().for_each(|skipped| eprintln!("warning: no boxes: {skipped}"));
    let seconds = start.elapsed().as_secs_f64();
    let made = images - before;
    output::print(format_args!(
        "{place}: {made} images made in {seconds:.1} s ({:.1} a second), {before} were there\n",
        made as f64 / seconds
    ))?;
    if !skipped.is_empty() && skipped.len() == images {
        bail!("not one image could be read; check --data");
    }
    Ok(())
}
