//! `univip ablate`: the rows of a table.

use super::exit::DONE;
use super::layers::Layers;
use super::running::Running;
use crate::output;
use crate::plan::{Plan, Swept};
use crate::runs::{Data, Series, Use};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use univip_core::dataset::{Dataset, Split};
use univip_core::recipe::Recipe;
use univip_core::registry::Registry;

/// `univip ablate`
#[derive(Args)]
pub struct Ablate {
    /// table1 to table13, all (of them), methods, ledger, or a directory with a table.toml
    pub table: String,
    /// Only this row, by its file name: d, none, ground-truth, 4, ...
    #[arg(long)]
    pub row: Option<String>,
    /// Start the row from the weights of a file, and do not train it: --row supervised --init resnet50.pth
    #[arg(long, value_name = "FILE", requires = "row", conflicts_with = "sweep")]
    pub init: Option<PathBuf>,
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
  univip ablate table1 --row supervised --init resnet50-11ad3fa6.pth --scale paper
  univip ablate my/table --seeds 0,1,2
  univip ablate table7 --row e --sweep loss.instance.epsilon=0.05,0.1,0.2 --sweep optimizer.lr=0.2,0.4

A finished run is reused, an interrupted one goes on; rows with the same recipe share a run.";

impl Ablate {
    /// Runs the rows that are asked for, or prints the plan.
    ///
    /// # Errors
    /// A [`UsageError`](crate::usage::UsageError) for an unknown table or row, and for recipes or data that cannot be used.
    pub fn run(&self, registry: &Registry) -> Result<u8> {
        let Running { seeds, runs, force, .. } = &self.running;
        let (library, row, axes) = (self.layers.library()?, self.row.as_deref(), self.running.axes()?);
        let plan = match (row, &self.init) {
            _ if !axes.is_empty() => {
                Plan::of_sweep(&library, &Swept::row(&library, &self.table, row)?, axes, seeds)?
            }
            (Some(row), Some(weights)) => Plan::started(&library, &self.table, row, weights, seeds)?,
            _ => Plan::new(&library, &self.table, row, seeds)?,
        };
        if !self.dry_run {
            return self.running.execute(&plan, &self.table, registry);
        }
        let data = Data::new(registry, runs);
        let images = |recipe: &Recipe| Ok(data.part(recipe, Use::Learning, Split::Train)?.images.len());
        let series = Series::new(&self.table, plan.jobs(runs, *force));
        let at_once = self.running.at_once(&series, registry)?;
        output::print(plan.describe(runs, *force, at_once, &images)?)?;
        Ok(DONE)
    }
}
