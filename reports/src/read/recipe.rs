//! The recipe of a run directory.

use super::folder::Folder;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use toml::Value;
use univip_run_format::RECIPE;
use univip_stdx::toml_text;

/// The values of `recipe.toml` by dotted key.
///
/// # Errors
/// When it cannot be read or is not TOML.
pub fn values(run: &Folder) -> Result<BTreeMap<String, String>> {
    let path = run.path().join(RECIPE);
    let value: toml::Table = toml_text::parse(&run.read_text(RECIPE)?)
        .with_context(|| format!("{} is not TOML", path.display()))?;
    let mut flat = BTreeMap::new();
    flatten("", &Value::Table(value), &mut flat);
    Ok(flat)
}

fn flatten(key: &str, value: &Value, flat: &mut BTreeMap<String, String>) {
    match value {
        Value::Table(table) => {
            for (name, value) in table {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(&key, value, flat);
            }
        }
        value => {
            flat.insert(key.to_string(), value.to_string());
        }
    }
}
