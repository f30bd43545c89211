//! `univip evaluate`: evaluators on a finished pre-training, or on a backbone from elsewhere.

mod file;
mod run;
mod said;

use super::exit::DONE;
use crate::plan::Library;
use crate::system::interrupts::{self, STOP};
use crate::usage::usage;
use anyhow::{Result, anyhow};
use clap::Args;
use std::path::PathBuf;
use univip_core::error::RecipeError;
use univip_core::recipe::Override;
use univip_core::registry::{Kind, Registry};

/// `univip evaluate`
#[derive(Args)]
pub struct Evaluate {
    /// A run: its directory, or the beginning of its name in --runs (table7-e)
    #[arg(conflicts_with = "backbone")]
    pub run: Option<String>,
    /// A backbone in a safetensors file or one of torch.save (.pth), or the directory of an export: a resnet18 or
    /// resnet50 of any width, with torchvision's names or detectron2's, alone or in a checkpoint
    #[arg(long, value_name = "FILE")]
    pub backbone: Option<PathBuf>,
    /// The evaluators; by default those of the recipe that have not measured the run yet
    #[arg(long, value_delimiter = ',', value_name = "NAME,...")]
    pub with: Vec<String>,
    /// A setting of the evaluators or their data, as a.b=c; later ones win
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The labelled images to measure on (image-folder=DIR)
    #[arg(long, value_name = "NAME[=ROOT]")]
    pub probe_data: Option<String>,
    /// The directory of run directories
    #[arg(long, default_value = "runs")]
    pub runs: PathBuf,
    /// For --backbone: the recipe with the evaluators and the probe data
    #[arg(long, default_value = "base", conflicts_with = "run")]
    pub recipe: String,
    /// For --backbone: the scale of that recipe
    #[arg(long, default_value = "small", conflicts_with = "run")]
    pub scale: String,
    /// For --backbone: the seed of the evaluators
    #[arg(long, default_value_t = 0, conflicts_with = "run")]
    pub seed: u64,
    /// A directory with `recipes/` and `scales/` in place of the embedded ones
    #[arg(long, value_name = "DIR")]
    pub recipes: Option<PathBuf>,
}

/// Shown by `univip evaluate --help`.
pub const EXAMPLES: &str = "Examples:
  univip evaluate table7-e                          the evaluators of its recipe that have not run yet
  univip evaluate table7-e --with knn --set evaluator.knn.k=200
  univip evaluate runs/table7-e-0123456789ab-s0 --with linear-probe,semi-supervised
  univip evaluate --backbone resnet50.safetensors --with knn --probe-data image-folder=DIR
  univip evaluate --backbone moco_v2_800ep_pretrain.pth.tar --with knn
  univip evaluate --backbone runs/table7-e-0123456789ab-s0/export/detectron2 --with knn

Numbers of a run are appended to its evaluations.jsonl, those of a file are only printed.
An evaluator that fails costs the others nothing.
Exit codes: 0 done, 1 an evaluator or a file failed (the message says which), 2 a command that cannot be used, 130 stopped
by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.";

impl Evaluate {
    /// Evaluates; the exit code.
    ///
    /// # Errors
    /// A [`UsageError`](crate::usage::UsageError) when the command cannot be used as it is; the evaluators that failed, after
    /// the others ran.
    pub fn run(&self, registry: &Registry) -> Result<u8> {
        interrupts::listen("this evaluator")?;
        for name in &self.with {
            registry.get(Kind::Evaluator, name, "command line", "--with").map_err(misused)?;
        }
        let stopped = match (&self.run, &self.backbone) {
            (Some(name), _) => run::evaluate(self, name, registry, &STOP)?,
            (None, Some(path)) => file::evaluate(self, path, registry, &STOP)?,
            (None, None) => return Err(usage("RUN", "name a run or give --backbone".into())),
        };
        Ok(if stopped { interrupts::exit_code() } else { DONE })
    }

    /// The project's recipes at a scale.
    fn library(&self, scale: &str, sets: &[String], overlays: Vec<Override>) -> Result<Library> {
        Library::new(scale, sets, overlays).with_recipes(self.recipes.as_deref())
    }
}

/// The registry refuses names of recipes; this one stood on the command line.
fn misused(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<RecipeError>() {
        Ok(RecipeError { key, problem, .. }) => usage(&key, problem),
        Err(error) => anyhow!(error),
    }
}
