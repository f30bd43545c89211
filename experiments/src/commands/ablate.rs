//! `univip ablate`: the rows of a table.

use super::exit::DONE;
use super::layers::Layers;
use super::running::Running;
use crate::output;
use crate::plan::Plan;
use crate::runs::{Data, Use};
use anyhow::Result;
use clap::Args;
use univip_core::dataset::{Dataset, Split};
use univip_core::recipe::Recipe;
use univip_core::registry::Registry;

/// `univip ablate`
#[derive(Args)]
pub struct Ablate {
    /// table7, table8a, table8b, table8c, table8, table9, methods, all (of the paper), or a directory with a table.toml
    pub table: String,
    /// Only this row, by its file name: d, none, ground-truth, 4, ...
    #[arg(long)]
    pub row: Option<String>,
    #[command(flatten)]
    pub layers: Layers,
    #[command(flatten)]
    pub running: Running,
    /// Print the plan and run nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Shown by `univip ablate --help`.
pub const EXAMPLES: &str = "Examples:
  univip ablate table7
  univip ablate table7 --scale smoke --data coco=photos/coco --probe-data image-folder=photos/clothes
  univip ablate table8c --set optimizer.lr=0.1 --runs /tmp/runs
  univip ablate my/table --seeds 0,1,2

A finished run is reused, an interrupted one goes on; rows with the same recipe share a run.";

impl Ablate {
    /// Runs the rows that are asked for, or prints the plan.
    ///
    /// # Errors
    /// A [`UsageError`](crate::usage::UsageError) for an unknown table or row, and for recipes or data that cannot be used.
    pub fn run(&self, registry: &Registry) -> Result<u8> {
        let Running { seeds, runs, force } = &self.running;
        let plan = Plan::new(&self.layers.library()?, &self.table, self.row.as_deref(), seeds)?;
        if !self.dry_run {
            return self.running.execute(&plan, &self.table, registry);
        }
        let data = Data::new(registry, runs);
        let images = |recipe: &Recipe| Ok(data.part(recipe, Use::Learning, Split::Train)?.images.len());
        output::print(plan.describe(runs, *force, &images)?)?;
        Ok(DONE)
    }
}
