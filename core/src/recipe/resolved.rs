//! Every value of a recipe, defaults filled in, and the digest that names a pre-training.

use super::sections::Settings;
use crate::digest::of_value;
use crate::registry::{Kind, Registry};
use anyhow::Result;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The resolved table of a plugin in use.
pub(super) struct PluginTable<'a> {
    pub kind: Kind,
    pub name: &'a str,
    pub values: Value,
}

/// The settings, and the tables of the plugins in use.
pub(super) fn values<'a>(
    settings: &Settings,
    plugins: impl Iterator<Item = PluginTable<'a>>,
) -> Result<Value> {
    let mut tables: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for PluginTable { kind, name, values } in plugins {
        tables.entry(kind.name()).or_default().insert(name.into(), values);
    }
    let mut all = match serde_json::to_value(settings)? {
        Value::Object(all) => all,
        _ => Map::new(),
    };
    all.extend(tables.into_iter().map(|(kind, tables)| (kind.to_string(), Value::Object(tables))));
    Ok(tidy(Value::Object(all)))
}

/// Keys that change no bit of a pre-training: how batches are made ready, and how often a run is saved.
const NO_INFLUENCE: [(&str, &str); 4] =
    [("loader", "workers"), ("loader", "ahead"), ("train", "checkpoint_every"), ("train", "keep")];

/// The sections of what is measured, which has digests of its own ([`Measurement`](super::Measurement)): no fingerprint covers them.
pub const OF_MEASUREMENTS: [&str; 3] = ["evaluators", "evaluator", "probe_data"];

/// See [`Recipe::fingerprint`](super::Recipe::fingerprint).
pub(super) fn fingerprint(resolved: &Value, registry: &Registry) -> String {
    let mut resolved = without_places(resolved, registry);
    let data = resolved["data"]["use"].clone();
    if let Value::Object(all) = &mut resolved {
        all.retain(|section, _| !OF_MEASUREMENTS.contains(&section.as_str()));
    }
    if let Some(Value::Object(datasets)) = resolved.get_mut(Kind::Dataset.name()) {
        datasets.retain(|name, _| data == *name);
    }
    for (table, key) in NO_INFLUENCE {
        if let Some(table) = resolved.get_mut(table) {
            *table = without_keys(table.take(), &[key]);
        }
    }
    of_value(&resolved)
}

/// Resolved values without [`Config::PLACES`](super::Config::PLACES).
pub(super) fn without_places(resolved: &Value, registry: &Registry) -> Value {
    let mut resolved = resolved.clone();
    for place in registry.places() {
        // `dataset.coco.root`: a table and its key.
        let Some((path, key)) = place.rsplit_once('.') else { continue };
        let table = path.split('.').try_fold(&mut resolved, |table, name| table.get_mut(name));
        if let Some(table) = table {
            *table = without_keys(table.take(), &[key]);
        }
    }
    resolved
}

/// A table without some of its keys.
pub(super) fn without_keys(mut table: Value, keys: &[&str]) -> Value {
    if let Value::Object(table) = &mut table {
        table.retain(|key, _| !keys.contains(&key.as_str()));
    }
    table
}

/// Keys sorted, absent options left out, and a 32-bit number as its shortest decimal (0.485, and not the
/// 0.48500001430511475 that it becomes as a 64-bit one).
pub(super) fn tidy(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<String, Value> = map
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key, tidy(value)))
                .collect();
            Value::Object(sorted.into_iter().collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(tidy).collect()),
        Value::Number(number) if number.is_f64() => {
            let wide = number.as_f64().unwrap_or_default();
            let narrow = wide as f32;
            let short =
                if f64::from(narrow) == wide { narrow.to_string().parse().unwrap_or(wide) } else { wide };
            Value::from(short)
        }
        other => other,
    }
}
