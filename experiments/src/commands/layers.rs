//! The options that lay settings over a recipe.

use crate::plan::Library;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use univip_core::recipe::Override;

/// The settings laid over a recipe.
#[derive(Args)]
pub struct Layers {
    /// The size of the run: smoke (seconds per row), small, selection (to choose settings), sitting, proxy, paper
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
    /// A directory with `recipes/` and `scales/` in place of the embedded ones
    #[arg(long, value_name = "DIR")]
    pub recipes: Option<PathBuf>,
}

impl Layers {
    /// The project's recipes, with these settings laid over each.
    ///
    /// # Errors
    /// A [`UsageError`](crate::usage::UsageError) when `--recipes` cannot be used.
    pub fn library(&self) -> Result<Library> {
        let mut overlays = data_overlay("data", "--data", self.data.as_deref());
        overlays.extend(data_overlay("probe_data", "--probe-data", self.probe_data.as_deref()));
        Library::new(&self.scale, &self.set, overlays).with_recipes(self.recipes.as_deref())
    }
}

/// `coco=DIR` as the settings it stands for.
pub fn data_overlay(section: &str, origin: &str, given: Option<&str>) -> Vec<Override> {
    let Some(given) = given else { return Vec::new() };
    let overlay = |key: String, value: &str| Override { key, value: value.into(), origin: origin.into() };
    match given.split_once('=') {
        None => vec![overlay(format!("{section}.use"), given)],
        Some((name, root)) => {
            vec![overlay(format!("{section}.use"), name), overlay(format!("dataset.{name}.root"), root)]
        }
    }
}
