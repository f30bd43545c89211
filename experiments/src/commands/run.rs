//! `univip run`: one recipe.

use super::layers::Layers;
use super::running::Running;
use crate::plan::{Plan, Swept, axes_of};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use univip_core::registry::Registry;

/// `univip run`
#[derive(Args)]
pub struct Run {
    /// The recipe: a file, or the name of one of the project's (table7/d)
    pub recipe: String,
    /// Start from the weights of a file, and do not train
    #[arg(long, value_name = "FILE")]
    pub init: Option<PathBuf>,
    #[command(flatten)]
    pub layers: Layers,
    #[command(flatten)]
    pub running: Running,
}

/// Shown by `univip run --help`.
pub const EXAMPLES: &str = "Examples:
  univip run my-recipe.toml --scale small --seeds 0
  univip run my-recipe.toml --sweep optimizer.lr=0.1,0.2,0.4";

impl Run {
    /// Runs the recipe once per seed.
    ///
    /// # Errors
    /// For a recipe or data that cannot be used.
    pub fn run(&self, registry: &Registry) -> Result<u8> {
        let mut library = self.layers.library()?;
        if let Some(weights) = &self.init {
            library = library.started_from(weights);
        }
        let (mut axes, seeds) = (self.running.axes()?, &self.running.seeds);
        if axes.is_empty() {
            axes = axes_of(&library, &self.recipe)?;
        }
        let plan = match axes.is_empty() {
            true => Plan::of_recipe(&library, &self.recipe, seeds)?,
            false => Plan::of_sweep(&library, &Swept::recipe(&self.recipe), axes, seeds)?,
        };
        self.running.execute(&plan, &self.recipe, registry)
    }
}
