//! `univip proposals`: boxes made, brought in, taken out and looked at, without a run.

mod build;
mod export;
mod import;
mod stats;

pub use import::{Imported, import_boxes};

use crate::commands::{ProposalsCommand, StoreChoice};
use crate::needs_file;
use crate::observers::Task;
use crate::runs::data::{Data, Part, Use};
use anyhow::{Result, ensure};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use univip_core::assemble::Assembly;
use univip_core::dataset::{Dataset, Split};
use univip_core::event::{Event, Observer};
use univip_core::identity::Checked;
use univip_core::proposals::{ProposalStore, Proposals};
use univip_core::recipe::Recipe;
use univip_core::registry::Registry;

/// Runs `univip proposals ...`.
pub fn command(command: ProposalsCommand, registry: &Registry, stop: &AtomicBool) -> Result<()> {
    match command {
        ProposalsCommand::Build { store, jobs } => {
            build::build(&Opened::new(&store, registry, stop)?, jobs, stop)
        }
        ProposalsCommand::Import { file, name, mut store } => {
            needs_file("FILE", &file)?;
            store.layers.set.push("proposals.use=imported".into());
            store.layers.set.push(format!("proposal.imported.name={}", serde_json::to_string(&name)?));
            import::import(&Opened::new(&store, registry, stop)?, &file, &name)
        }
        ProposalsCommand::Export { file, orl, store } => {
            export::export(&Opened::new(&store, registry, stop)?, &file, orl)
        }
        ProposalsCommand::Stats { picture, store } => {
            stats::stats(&Opened::new(&store, registry, stop)?, &picture)
        }
    }
}

/// What every subcommand works on.
struct Opened {
    recipe: Recipe,
    dataset: Arc<Checked>,
    proposals: Proposals,
}

impl Opened {
    fn new(choice: &StoreChoice, registry: &Registry, stop: &AtomicBool) -> Result<Self> {
        let mut layers = choice.layers.clone();
        if let Some(mode) = &choice.mode {
            layers.set.push(format!("proposal.selective-search.mode={mode}"));
        }
        let recipe = crate::library(&layers.into())?.load("base")?;
        let data = Data::new(registry, &choice.runs);
        let part = data.part(&recipe, Use::Scenes, Split::from(choice.split))?;
        data.look(&part, &mut Looking(Task::alone("look at images")), stop)?;
        let Part { whole: dataset, .. } = part;
        let root = choice.runs.join("proposals");
        let proposals = Assembly::new(&recipe, registry).proposals(dataset.clone(), &root)?;
        if proposals.annotated() {
            dataset.check_sizes(&(0..dataset.len()).collect::<Vec<_>>())?;
        }
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

/// Shows how far the images are known.
struct Looking(Task);

impl Observer for Looking {
    fn observe(&mut self, event: &Event) -> Result<()> {
        if let Event::Progress { done, total, .. } = event {
            self.0.show(*done, *total);
        }
        Ok(())
    }
}
