//! The command line of `univip`.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Self-supervised pre-training from scenes of many objects.
#[derive(Parser)]
#[command(name = "univip", version, arg_required_else_help = true)]
#[command(after_help = "Examples:
  univip ablate table7                        Table 7 at the scale `small`, on composed scenes
  univip ablate table7 --row d --seeds 0,1,2  one row, three seeds
  univip ablate all --dry-run                 what would run, and how long it would take
  univip recipe show table7/d --scale small   every resolved value and where it comes from
  univip recipe diff table7/d table7/e        what two rows differ in
  univip plugins                              what can be named in a recipe

Exit codes: 0 done, 1 a row failed, 2 a command or recipe that cannot be used, 130 interrupted.")]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Run the rows of a table of the paper, or what is left of them
    #[command(after_help = "Examples:
  univip ablate table7
  univip ablate table7 --scale smoke --data coco=photos/coco --probe-data image-folder=photos/clothes
  univip ablate table8c --set optimizer.lr=0.1 --runs /tmp/runs

A finished run is reused, an interrupted one goes on; rows with the same recipe share a run.")]
    Ablate(Ablate),
    /// Run one recipe file
    #[command(after_help = "Example: univip run my-recipe.toml --scale small --seeds 0")]
    Run(RunRecipe),
    /// Show or compare recipes
    #[command(subcommand)]
    Recipe(RecipeCommand),
    /// List what can be named in a recipe: kind, name, crate, version, what it is
    Plugins,
}

/// `univip ablate`
#[derive(Args)]
pub struct Ablate {
    /// table7, table8a, table8b, table8c, table8, table9 or all
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

/// `univip run`
#[derive(Args)]
pub struct RunRecipe {
    /// The recipe: a file, or the name of one of the project's (table7/d)
    pub recipe: String,
    #[command(flatten)]
    pub layers: Layers,
    #[command(flatten)]
    pub running: Running,
}

/// How runs are run.
#[derive(Args)]
pub struct Running {
    /// The seeds of each run
    #[arg(long, value_delimiter = ',', default_value = "0")]
    pub seeds: Vec<u64>,
    /// Where run directories are kept
    #[arg(long, default_value = "runs")]
    pub runs: PathBuf,
    /// Start anew, whatever is there
    #[arg(long)]
    pub force: bool,
}

/// What is laid over a recipe.
#[derive(Args)]
pub struct Layers {
    /// How large: smoke (seconds a row), small, sitting, proxy, paper
    #[arg(long, default_value = "small")]
    pub scale: String,
    /// A value of the recipe, as a.b=c; later ones win
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The images to learn from: a dataset, or a dataset and where it is (coco=DIR)
    #[arg(long, value_name = "NAME[=ROOT]")]
    pub data: Option<String>,
    /// The labelled images to measure on (image-folder=DIR)
    #[arg(long, value_name = "NAME[=ROOT]")]
    pub probe_data: Option<String>,
}

/// `univip recipe`
#[derive(Subcommand)]
pub enum RecipeCommand {
    /// Print every resolved value with where it comes from
    Show {
        /// A file, or the name of one of the project's (table7/d)
        recipe: String,
        #[command(flatten)]
        layers: Layers,
    },
    /// Print what two recipes differ in
    Diff {
        /// One recipe
        a: String,
        /// The other
        b: String,
        #[command(flatten)]
        layers: Layers,
    },
}
