//! A dataset with its proposals, which every sub-command works on.

use crate::cli::{Layers, StoreChoice};
use anyhow::{Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use univip_core::assemble::{Assembly, Data};
use univip_core::dataset::{Dataset, Split};
use univip_core::proposals::{ProposalStore, Proposals};
use univip_core::recipe::Recipe;
use univip_core::registry::Registry;

/// What every subcommand works on.
pub struct Opened {
    pub recipe: Recipe,
    pub dataset: Box<dyn Dataset>,
    pub proposals: Proposals,
}

impl Opened {
    pub fn new(choice: &StoreChoice, registry: &Registry) -> Result<Self> {
        let mut layers = choice.layers.clone();
        if let Some(mode) = &choice.mode {
            layers.set.push(format!("proposal.selective-search.mode={mode}"));
        }
        let recipe = Layers::from(layers).library()?.load("base")?;
        let split = Split::from(choice.split);
        let parts = Assembly::new(&recipe, registry);
        let dataset = parts.dataset(Data::Scenes, split)?;
        let proposals = parts.proposals(&*dataset, &choice.runs.join("proposals"))?;
        Ok(Self { recipe, dataset, proposals })
    }

    /// The store on disk.
    pub fn store(&self) -> Result<&ProposalStore> {
        let name = &self.recipe.settings.proposals.name;
        self.proposals.store().ok_or_else(|| {
            let problem =
                format!("the boxes of `{name}` cost nothing to make and are not stored; choose another");
            self.recipe.error("proposals.use", problem).into()
        })
    }

    /// Refuses a store that lacks images.
    pub fn whole(&self, store: &ProposalStore) -> Result<()> {
        let (place, stored, images) = (store.directory().display(), store.stored(), self.dataset.len());
        ensure!(
            stored == images,
            "{place} has {stored} of {images} images; run `univip proposals build` with the same options first"
        );
        Ok(())
    }
}

/// A bar over images, with the rate and the time left; nothing when standard error is not a terminal.
pub fn bar(images: usize, what: &str) -> ProgressBar {
    let template = "{prefix:<22} {bar:24.yellow/dim} {pos}/{len} images {per_sec} {eta} left";
    // The template is a constant; a bad one would still draw a plain bar.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(images as u64).with_style(style).with_prefix(what.to_string())
}
