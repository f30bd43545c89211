//! Every row of the paper's Tables 7 to 9 as it was: all resolved values with their origins, and the fingerprint.
//!
//! A change that is meant is accepted by `PINNED=accept cargo test --release -p univip-tests --test pinned`, and stands with its
//! reason in CHANGELOG.md.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use univip_core::recipe::{Recipe, Sources};
use univip_tests::workspace;

const SCALES: [&str; 3] = ["smoke", "small", "paper"];

#[test]
fn no_row_has_changed_unnoticed() -> Result<()> {
    let accept = std::env::var_os("PINNED").is_some_and(|value| value == "accept");
    let rows = rows()?;
    ensure!(rows.len() == 18, "{} rows: {rows:?}", rows.len());
    let mut changed = Vec::new();
    for row in &rows {
        for scale in SCALES {
            let pinned = workspace().join("tests/pinned").join(scale).join(format!("{row}.toml"));
            let found = shown(row, scale)?;
            if accept {
                fs::create_dir_all(pinned.parent().context("a directory")?)?;
                fs::write(&pinned, found)?;
                continue;
            }
            let expected = fs::read_to_string(&pinned).with_context(|| pinned.display().to_string())?;
            if found != expected {
                changed.push(format!("{row} at {scale}:\n{}", difference(&expected, &found)));
            }
        }
    }
    ensure!(
        changed.is_empty(),
        "{} of 54 have changed. If that is meant, `PINNED=accept cargo test --release -p univip-tests --test pinned`, with the \
         reason in CHANGELOG.md:\n{}",
        changed.len(),
        changed.join("\n")
    );
    Ok(())
}

/// `table7/a`, ..., sorted.
fn rows() -> Result<Vec<String>> {
    let mut rows = Vec::new();
    for table in fs::read_dir(workspace().join("experiments/recipes"))? {
        let table = table?.path();
        if !table.is_dir() {
            continue;
        }
        for row in fs::read_dir(&table)? {
            let row = row?.path();
            let [table, row] =
                [&table, &row].map(|path| path.file_stem().unwrap_or_default().to_string_lossy());
            if row != "table" {
                rows.push(format!("{table}/{row}"));
            }
        }
    }
    // Rows of other tables are pinned by those who add them.
    rows.retain(|row| {
        ["table7/", "table8a/", "table8b/", "table8c/", "table9/"].iter().any(|table| row.starts_with(table))
    });
    rows.sort();
    Ok(rows)
}

fn shown(row: &str, scale: &str) -> Result<String> {
    let experiments = workspace().join("experiments");
    let path: PathBuf = experiments.join("recipes").join(Path::new(row).with_extension("toml"));
    let sources =
        Sources { path, scale: Some(scale.into()), scales: experiments.join("scales"), ..Sources::default() };
    Ok(Recipe::load(&sources)?.show())
}

/// The lines that only one of the two has.
fn difference(expected: &str, found: &str) -> String {
    let only = |sign: &str, one: &str, other: &str| -> String {
        one.lines()
            .filter(|line| !other.lines().any(|same| same == *line))
            .map(|line| format!("  {sign} {line}\n"))
            .collect()
    };
    only("-", expected, found) + &only("+", found, expected)
}
