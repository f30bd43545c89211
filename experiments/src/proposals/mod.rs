//! `univip proposals`: boxes made, brought in, taken out and looked at, without a run.

mod build;
mod export;
mod import;
mod picture;
mod stats;

pub use import::{Imported, import_boxes};

use crate::cli::{ProposalsCommand, StoreChoice};
use crate::{needs_file, run};
use anyhow::{Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use univip_core::dataset::{Dataset, Split};
use univip_core::proposals::{ProposalStore, Proposals, StoreKey};
use univip_core::recipe::Recipe;
use univip_core::registry::{Kind, Registry};

/// The proposals that a recipe names for a dataset, and their store below `runs`.
pub fn open(recipe: &Recipe, registry: &Registry, dataset: &dyn Dataset, runs: &Path) -> Result<Proposals> {
    let name = &recipe.settings.proposals.name;
    let plugin = registry.get(Kind::Proposals, name, &recipe.origin("proposals.use"), "proposals.use")?;
    let table = recipe.table(Kind::Proposals, name);
    let key = StoreKey {
        source: name.clone(),
        version: plugin.version.into(),
        parameters: (plugin.resolve)(&table)?,
        dataset: dataset.digest(),
        images: dataset.len(),
    };
    let root = runs.join("proposals");
    Proposals::open(plugin.proposals(&table)?, recipe.settings.proposals.limits, &root, &key)
}

/// Runs `univip proposals ...`.
pub fn command(command: ProposalsCommand, registry: &Registry, stop: &AtomicBool) -> Result<()> {
    match command {
        ProposalsCommand::Build { store, jobs } => build::build(&Opened::new(&store, registry)?, jobs, stop),
        ProposalsCommand::Import { file, name, mut store } => {
            needs_file("FILE", &file)?;
            store.layers.set.push("proposals.use=imported".into());
            store.layers.set.push(format!("proposal.imported.name={}", serde_json::to_string(&name)?));
            import::import(&Opened::new(&store, registry)?, &file, &name)
        }
        ProposalsCommand::Export { file, orl, store } => {
            export::export(&Opened::new(&store, registry)?, &file, orl)
        }
        ProposalsCommand::Stats { picture, store } => stats::stats(&Opened::new(&store, registry)?, &picture),
    }
}

/// What every subcommand works on.
struct Opened {
    recipe: Recipe,
    dataset: Box<dyn Dataset>,
    proposals: Proposals,
}

impl Opened {
    fn new(choice: &StoreChoice, registry: &Registry) -> Result<Self> {
        let mut layers = choice.layers.clone();
        if let Some(mode) = &choice.mode {
            layers.set.push(format!("proposal.selective-search.mode={mode}"));
        }
        let recipe = crate::library(&layers.into())?.load("base")?;
        let split = Split::from(choice.split);
        let dataset = run::open(&recipe, registry, "data.use", &recipe.settings.data.name, split)?;
        let proposals = open(&recipe, registry, &*dataset, &choice.runs)?;
        Ok(Self { recipe, dataset, proposals })
    }

    /// The store on disk.
    fn store(&self) -> Result<&ProposalStore> {
        let name = &self.recipe.settings.proposals.name;
        self.proposals.store().ok_or_else(|| {
            let problem =
                format!("the boxes of `{name}` cost nothing to make and are not stored; choose another");
            self.recipe.error("proposals.use", problem).into()
        })
    }

    /// Refuses a store that lacks images.
    fn whole(&self, store: &ProposalStore) -> Result<()> {
        let (place, stored, images) = (store.directory().display(), store.stored(), self.dataset.len());
        ensure!(
            stored == images,
            "{place} has {stored} of {images} images; run `univip proposals build` with the same options first"
        );
        Ok(())
    }
}

/// A bar over images, with the rate and the time left; nothing when standard error is not a terminal.
fn bar(images: usize, what: &str) -> ProgressBar {
    let template = "{prefix:<22} {bar:24.yellow/dim} {pos}/{len} images {per_sec} {eta} left";
    // The template is a constant; a bad one would still draw a plain bar.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(images as u64).with_style(style).with_prefix(what.to_string())
}
