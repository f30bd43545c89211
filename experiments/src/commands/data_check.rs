//! `univip data check`: all that is wrong with a dataset, said at once.

use super::exit::{DONE, FAILED};
use super::layers::data_overlay;
use crate::data_check::findings::{Findings, Lines};
use crate::data_check::look;
use crate::observers::Task;
use crate::output;
use crate::plan::Library;
use crate::runs::{Data, Use};
use crate::system::interrupts::{self, STOP};
use anyhow::Result;
use clap::{Args, Subcommand};
use rayon::prelude::*;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use univip_core::counted::counted;
use univip_core::dataset::{Dataset, Split};
use univip_core::error::{Interrupted, NotApplicable, RecipeError};
use univip_core::registry::Registry;

/// `univip data check`
#[derive(Args)]
pub struct Check {
    /// A dataset and where it is: coco=DIR, voc=DIR, image-folder=DIR, images=DIR
    #[arg(value_name = "NAME=DIR")]
    data: String,
    /// A value of the recipe, as a.b=c; later ones win
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Shown by `univip data check --help`.
pub const EXAMPLES: &str = "Examples:
  univip data check images=photos
  univip data check image-folder=photos/clothes
  univip data check coco=photos/coco --set loader.max_pixels=200000000

Reads every image and annotation of the train and val splits, and lists with counts and the first names: images that
cannot be read; images that are tiny, very large or very long; images with the same pixels as another, and those of val
that train has too; images without a label, classes without an image; boxes that leave their image, sizes that are not
those of the annotations; and what a run would skip. Scenes without an object, and classes that no scene shows, are noted.
Nothing is changed.
Exit codes: 0 nothing was found, 1 something was (it is listed), 2 the data cannot be opened, 130 interrupted.";

/// `univip data`
#[derive(Subcommand)]
pub enum OnData {
    /// List all that is wrong with a dataset
    #[command(after_help = EXAMPLES)]
    Check(Check),
}

impl OnData {
    /// Runs `univip data check`; 1 if anything was found.
    ///
    /// # Errors
    /// A [`RecipeError`] when the train split cannot be opened; [`Interrupted`] when a signal came.
    pub fn run(&self, registry: &Registry) -> Result<u8> {
        let Self::Check(asked) = self;
        interrupts::listen(Some("these images"))?;
        Ok(if asked.finds_nothing(registry, &STOP)? { DONE } else { FAILED })
    }
}

impl Check {
    fn finds_nothing(&self, registry: &Registry, stop: &AtomicBool) -> Result<bool> {
        let overlays = data_overlay("data", "NAME=DIR", Some(&self.data));
        let recipe = Library::new("paper", &self.set, overlays).load("base")?;
        let data = Data::new(registry, Path::new("runs"));
        let mut findings = Findings::default();
        for split in [Split::Train, Split::Val] {
            let title = format!("{}, {}", self.data, split.name());
            let dataset = match data.part(&recipe, Use::Learning, split) {
                Ok(part) => part.whole,
                Err(error) if error.is::<NotApplicable>() => {
                    output::print(format_args!("{title}: no such split\n"))?;
                    continue;
                }
                Err(error) if split == Split::Val && error.is::<RecipeError>() => {
                    findings.failed();
                    output::print(format_args!("{title}: cannot be opened: {error:#}\n"))?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            look_through(&*dataset, split, &mut findings, stop)?;
            let Lines { problems, notes } = findings.end_split(&*dataset);
            let found = if problems.is_empty() { "nothing was found" } else { "found" };
            output::print(format_args!("{title}: {}, {found}\n", counted(dataset.len(), "image[|s]")))?;
            problems.iter().try_for_each(|line| output::print(format_args!("  {line}\n")))?;
            notes.iter().try_for_each(|line| output::print(format_args!("  note: {line}\n")))?;
        }
        Ok(findings.none())
    }
}

/// Reads every image, a chunk at a time on all threads, and tells how long it will take.
fn look_through(
    dataset: &dyn Dataset,
    split: Split,
    findings: &mut Findings,
    stop: &AtomicBool,
) -> Result<()> {
    const CHUNK: usize = 64;
    let mut task = Task::alone(&format!("check {}", split.name()));
    let indices: Vec<usize> = (0..dataset.len()).collect();
    let mut done = 0;
    for chunk in indices.chunks(CHUNK) {
        if stop.load(Ordering::Relaxed) {
            return Err(Interrupted::Elsewhere.into());
        }
        let seen: Vec<look::Seen> = chunk.par_iter().map(|index| look::at(dataset, *index)).collect();
        seen.into_iter().for_each(|seen| findings.add(split, seen));
        done += chunk.len();
        task.show(done as u64, dataset.len() as u64);
    }
    Ok(())
}
