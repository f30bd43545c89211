//! A recipe for people: every value with where it came from, and what tells two recipes apart.

use super::Recipe;
use crate::printable::printable;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use univip_stdx::config::inside;

impl Recipe {
    /// Every resolved value as TOML that loads to the same fingerprint, its origin in a comment behind it.
    pub fn show(&self) -> String {
        let mut text = format!("# {}", printable(&inside(&self.path, &self.root)));
        if let Some(scale) = &self.scale {
            let _ = write!(text, " at scale {scale}");
        }
        let _ = writeln!(text, ", fingerprint {}", self.fingerprint());
        write_table(&mut text, self, "", self.resolved());
        text
    }
}

fn write_table(text: &mut String, recipe: &Recipe, path: &str, table: &Value) {
    let Value::Object(table) = table else { return };
    let (tables, values): (Vec<_>, Vec<_>) = table.iter().partition(|(_, value)| value.is_object());
    if !values.is_empty() {
        let _ = writeln!(text, "\n[{path}]");
    }
    for (key, value) in values {
        let origin = printable(&recipe.origin(&join(path, key)));
        let _ = writeln!(text, "{} = {}  # {origin}", quoted(key), toml_text(value));
    }
    for (key, table) in tables {
        write_table(text, recipe, &join(path, &quoted(key)), table);
    }
}

/// The keys whose values differ, one per line, with both values and origins; empty when none does.
pub fn diff(one: &Recipe, other: &Recipe) -> String {
    let (ours, theirs) = (flat(one), flat(other));
    let keys: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let side = |recipe: &Recipe, values: &BTreeMap<String, String>, key: &str| match values.get(key) {
        Some(value) => format!("{value} ({})", printable(&recipe.origin(key))),
        None => "absent".into(),
    };
    let differs = |key: &&&String| ours.get(**key) != theirs.get(**key);
    let line = |key: &String| format!("{key}: {} -> {}\n", side(one, &ours, key), side(other, &theirs, key));
    keys.iter().filter(differs).map(|key| line(key)).collect()
}

fn flat(recipe: &Recipe) -> BTreeMap<String, String> {
    fn visit(path: &str, value: &Value, flat: &mut BTreeMap<String, String>) {
        match value {
            Value::Object(table) => {
                table.iter().for_each(|(key, value)| visit(&join(path, key), value, flat))
            }
            leaf => {
                flat.insert(path.into(), toml_text(leaf));
            }
        }
    }
    let mut values = BTreeMap::new();
    visit("", recipe.resolved(), &mut values);
    values
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.into() } else { format!("{path}.{key}") }
}

fn quoted(key: &str) -> String {
    let bare = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if !key.is_empty() && key.chars().all(bare) { key.into() } else { toml_text(&key.into()) }
}

fn toml_text(value: &Value) -> String {
    match value {
        Value::Array(values) => format!("[{}]", values.iter().map(toml_text).collect::<Vec<_>>().join(", ")),
        Value::Object(table) => {
            let entries = table.iter().map(|(key, value)| format!("{} = {}", quoted(key), toml_text(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => toml::Value::String(text.clone()).to_string(),
        other => other.to_string(),
    }
}
