//! The reference of recipe keys has every key of this binary with its default.

mod common;

use anyhow::{Context, Result, ensure};
use common::stdout;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The keys with their defaults that a TOML-like text lists below `[table]` lines, each line read by `key`.
fn defaults(
    text: &str,
    head: &str,
    key: impl Fn(&str) -> Option<(String, String)>,
) -> BTreeMap<String, String> {
    let (mut table, mut found) = (String::new(), BTreeMap::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix(head).and_then(|rest| rest.split(']').next()) {
            table = name.into();
        } else if let Some((key, value)) = key(line) {
            found.insert(format!("{table}.{key}"), value);
        }
    }
    found
}

#[test]
fn the_reference_has_every_key_with_its_default() -> Result<()> {
    let runs = tempfile::tempdir()?;
    let printed = stdout(&["recipe", "keys"], runs.path())?;
    let printed = defaults(&printed, "[", |line| {
        line.split_once(" = ").map(|(key, value)| (key.to_string(), value.to_string()))
    });
    ensure!(printed.len() > 80, "only {} keys", printed.len());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/recipe-keys.md");
    let page = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let page = defaults(&page, "## `[", |line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let (key, default) = (cells.next()?.trim_end_matches('`'), cells.nth(1)?);
        let default = default.strip_prefix('`')?.strip_suffix('`')?;
        Some((key.to_string(), default.to_string()))
    });
    for (key, value) in &printed {
        ensure!(
            page.get(key) == Some(value),
            "{key} = {value} is not in docs/recipe-keys.md: run `cargo xtask docs`"
        );
    }
    for key in page.keys() {
        ensure!(printed.contains_key(key), "{key} is no key any more: run `cargo xtask docs`");
    }
    Ok(())
}
