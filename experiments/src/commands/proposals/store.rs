//! The options that choose a store, and the store.

use crate::commands::layers::Layers;
use crate::observers::Task;
use crate::runs::{Data, Part, Use};
use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use univip_core::assemble::Assembly;
use univip_core::dataset::{Dataset, Split};
use univip_core::event::{Event, Observer};
use univip_core::identity::Checked;
use univip_core::proposals::{ProposalStore, Proposals};
use univip_core::recipe::Recipe;
use univip_core::registry::Registry;

/// The options that choose a store.
#[derive(Args)]
pub struct StoreChoice {
    #[command(flatten)]
    pub layers: StoreLayers,
    /// The split; COCO's names of the directories mean the same
    #[arg(long, value_enum, default_value_t = SplitChoice::Train)]
    pub split: SplitChoice,
    /// The preset of selective search: fast or quality
    #[arg(long)]
    pub mode: Option<String>,
    /// The directory of run directories and stores
    #[arg(long, default_value = "runs")]
    pub runs: PathBuf,
}

/// The settings laid over the base recipe.
#[derive(Args, Clone)]
pub struct StoreLayers {
    /// The images: a dataset, or a dataset and where it is (coco=DIR)
    #[arg(long, value_name = "NAME[=ROOT]")]
    pub data: Option<String>,
    /// The scale whose limits `stats` applies: paper (A.3), small, smoke, ...
    #[arg(long, default_value = "paper")]
    pub scale: String,
    /// A value of the recipe, as a.b=c; later ones win
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// A directory with `recipes/` and `scales/` in place of the embedded ones
    #[arg(long, value_name = "DIR")]
    pub recipes: Option<PathBuf>,
}

impl From<StoreLayers> for Layers {
    fn from(StoreLayers { data, scale, set, recipes }: StoreLayers) -> Self {
        Self { scale, set, data, probe_data: None, recipes }
    }
}

/// A split, also by COCO's name of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SplitChoice {
    /// The images that networks learn from
    #[value(alias = "train2017")]
    Train,
    /// The images that they are measured on
    #[value(alias = "val2017")]
    Val,
}

impl From<SplitChoice> for Split {
    fn from(choice: SplitChoice) -> Self {
        match choice {
            SplitChoice::Train => Split::Train,
            SplitChoice::Val => Split::Val,
        }
    }
}

/// An opened store.
pub struct Opened {
    pub recipe: Recipe,
    pub dataset: Arc<Checked>,
    pub proposals: Proposals,
}

impl Opened {
    pub fn new(choice: &StoreChoice, registry: &Registry, stop: &AtomicBool) -> Result<Self> {
        let mut layers = choice.layers.clone();
        if let Some(mode) = &choice.mode {
            layers.set.push(format!("proposal.selective-search.mode={mode}"));
        }
        let recipe = Layers::from(layers).library()?.load("base")?;
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
