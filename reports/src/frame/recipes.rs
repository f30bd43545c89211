//! The recipes of the runs: a line for each value.

use super::texts;
use crate::read::recipe;
use crate::read::run::Run;
use anyhow::{Context, Result};
use polars::prelude::DataFrame;
use std::collections::BTreeSet;

/// A line for each value of each recipe, by its dotted key. Runs of one recipe that differ in their seed are one recipe; of one whose
/// `recipe.toml` cannot be read there are no lines.
pub fn recipes(runs: &[Run]) -> Result<DataFrame> {
    let mut known = BTreeSet::new();
    let mut lines: Vec<(String, String, String)> = Vec::new();
    for run in runs {
        if known.contains(&run.fingerprint) {
            continue;
        }
        let Ok(values) = recipe::values(&run.folder) else { continue };
        known.insert(run.fingerprint.clone());
        lines.extend(values.into_iter().map(|(key, value)| (run.fingerprint.clone(), key, value)));
    }
    let columns = vec![
        texts("fingerprint", &lines, |(fingerprint, _, _)| fingerprint.clone()),
        texts("key", &lines, |(_, key, _)| key.clone()),
        texts("value", &lines, |(_, _, value)| value.clone()),
    ];
    DataFrame::new(lines.len(), columns).context("making the frame of recipes")
}
