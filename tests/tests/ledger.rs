//! The table `ledger` has another value of every field that the base recipe marks `open`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use univip_core::recipe::{Recipe, Sources};
use univip_tests::workspace;

// The plugins that recipes name.
use univip_plugins as _;

fn recipes() -> PathBuf {
    workspace().join("experiments/recipes")
}

fn load(row: &Path, scale: &str) -> Recipe {
    let scales = workspace().join("experiments/scales");
    let sources = Sources { path: row.into(), scale: Some(scale.into()), scales, ..Sources::default() };
    Recipe::load(&sources).unwrap_or_else(|error| panic!("{}: {error:#}", row.display()))
}

/// `loss.instance.epsilon` of `epsilon = 0.1  # open` below `[loss.instance]`; fields that change no training are left out.
fn open_fields() -> BTreeSet<String> {
    let text = fs::read_to_string(recipes().join("base.toml")).expect("the base recipe");
    let (mut section, mut fields) = ("", BTreeSet::new());
    for line in text.lines() {
        if let Some(head) = line.strip_prefix('[') {
            section = head.split(']').next().unwrap_or_default();
        } else if let Some((value, comment)) = line.split_once('#')
            && comment.trim_start().starts_with("open")
        {
            let key = value.split('=').next().unwrap_or_default().trim();
            fields.insert(format!("{section}.{key}"));
        }
    }
    fields.retain(|field| !["loader.", "evaluator."].iter().any(|other| field.starts_with(other)));
    fields
}

fn rows() -> Vec<PathBuf> {
    let entries = fs::read_dir(recipes().join("ledger")).expect("the ledger");
    let files = entries.map(|entry| entry.expect("an entry").path());
    files.filter(|path| path.file_stem().is_some_and(|stem| stem != "table")).collect()
}

fn value<'a>(recipe: &'a Recipe, key: &str) -> &'a serde_json::Value {
    key.split('.').fold(recipe.resolved(), |table, name| &table[name])
}

#[test]
fn each_open_field_has_another_value_by_itself() {
    let (stated, univip) = (recipes().join("ledger/stated.toml"), recipes().join("table7/e.toml"));
    let open = open_fields();
    assert!(open.contains("loss.instance.epsilon") && open.len() >= 9, "{open:?}");
    for scale in ["small", "paper"] {
        let stated = load(&stated, scale);
        assert_eq!(stated.fingerprint(), load(&univip, scale).fingerprint(), "{scale}");
        let mut changed = BTreeSet::new();
        for row in rows() {
            let recipe = load(&row, scale);
            let differs: Vec<&String> =
                open.iter().filter(|key| value(&stated, key) != value(&recipe, key)).collect();
            assert!(differs.len() <= 1, "{} changes {differs:?} together", row.display());
            // The others differ in nothing.
            assert_eq!(differs.is_empty(), stated.fingerprint() == recipe.fingerprint(), "{}", row.display());
            changed.extend(differs);
        }
        let missing: Vec<&String> = open.iter().filter(|key| !changed.contains(key)).collect();
        assert!(missing.is_empty(), "the ledger has no other value of {missing:?} at {scale}");
    }
}
