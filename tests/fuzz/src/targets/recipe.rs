//! Recipes: inherited files, layers, checks.

use super::{Bound, Opened, Target, workspace};
use crate::mutate::Dialect;
use anyhow::Result;
use std::fs;
use std::path::Path;
use univip_core::recipe::{Recipe, Sources};

/// A recipe that inherits the project's base.
pub const RECIPE: Target = Target {
    name: "recipe",
    summary: "recipes in TOML, with what they inherit",
    dialect: Dialect::Text,
    bound: Bound { bytes: 8 << 20, per_byte: 1000 },
    place: "recipes/fuzzed.toml",
    fixtures: &["experiments/recipes/base.toml", "experiments/scales/small.toml"],
    prepare,
    planted: false,
};

fn prepare(directory: &Path) -> Result<Opened> {
    let base = directory.join("recipes/base.toml");
    fs::copy(workspace("experiments/recipes/base.toml"), base)?;
    let scales = directory.join("scales");
    fs::create_dir_all(&scales)?;
    Ok(Opened::new(move |path, _| {
        let sources = Sources { path: path.into(), scales: scales.clone(), ..Sources::default() };
        let recipe = Recipe::load(&sources)?;
        // The consequences of a recipe that is accepted.
        let _ = (recipe.fingerprint(), recipe.show());
        Ok(())
    }))
}
