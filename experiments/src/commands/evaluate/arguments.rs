//! The arguments of `univip evaluate`.

use crate::plan::Library;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use univip_core::recipe::Override;

/// `univip evaluate`
#[derive(Args)]
pub struct Evaluate {
    /// A run: its directory, or the beginning of its name in --runs (table7-e)
    #[arg(conflicts_with = "backbone")]
    pub run: Option<String>,
    /// A backbone in a safetensors file or one of torch.save (.pth), or the directory of an export: a ResNet of any
    /// width, with torchvision's names or detectron2's, alone or in a checkpoint, or another backbone by its own names
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

impl Evaluate {
    /// The project's recipes at a scale.
    pub(super) fn library(&self, scale: &str, sets: &[String], overlays: Vec<Override>) -> Result<Library> {
        Library::new(scale, sets, overlays).with_recipes(self.recipes.as_deref())
    }
}
