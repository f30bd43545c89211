//! The names of `--with`.

use crate::usage::usage;
use anyhow::Result;
use univip_core::error::RecipeError;
use univip_core::recipe::Recipe;
use univip_core::registry::{Kind, Registry};

/// Refuses names of `--with` that are neither evaluators nor measurements of the recipe; without one, those that no recipe
/// could know.
///
/// # Errors
/// A [`UsageError`](crate::usage::UsageError) with what may have been meant.
pub fn refuse_unknown(with: &[String], recipe: Option<&Recipe>, registry: &Registry) -> Result<()> {
    let known = |name: &String| match recipe {
        Some(recipe) => recipe.evaluator(name, "--with", registry).map(drop),
        None => Ok(registry.get(Kind::Evaluator, name, "command line", "--with").map(drop)?),
    };
    with.iter().try_for_each(known).map_err(|error| match error.downcast::<RecipeError>() {
        // It stood on the command line.
        Ok(RecipeError { key, problem, .. }) if key == "--with" => usage(&key, problem),
        Ok(error) => error.into(),
        Err(error) => error,
    })
}
