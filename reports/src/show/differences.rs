//! Runs side by side: what differs in their recipes, and what they measured.

use crate::read::provenance::Provenance;
use crate::read::recipe;
use crate::read::run::Run;
use crate::show::escape::message;
use crate::show::text::{TextColumn, TextTable, Width};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The recipe values that differ between the runs, then every number that was measured.
///
/// # Errors
/// When a directory is not a run, or its recipe cannot be read.
pub fn compare(paths: &[PathBuf], width: Width) -> Result<String> {
    let mut runs = Vec::new();
    for path in paths {
        let run = Run::read(path).with_context(|| format!("{} is not a run directory", path.display()))?;
        runs.push((recipe::values(&run.folder)?, run));
    }
    let names: Vec<String> = runs.iter().map(|(_, run)| run.name()).collect();
    let mut text = String::new();
    for (index, name) in names.iter().enumerate() {
        let run = &runs[index].1;
        let status = run.record.iter().map(|record| record.status.name());
        let status = status.map(String::from);
        let origin = run.record.iter().map(|record| Provenance::of(record).describe());
        let state: Vec<String> = status.chain(origin).chain(run.notes.iter().cloned()).collect();
        let line = format!("{}: {name} ({})", letter(index), state.join("; "));
        text += &format!("{}\n", message(&line));
    }
    let recipes: Vec<_> = runs.iter().map(|(recipe, _)| recipe).collect();
    let keys: BTreeSet<&String> = recipes.iter().flat_map(|recipe| recipe.keys()).collect();
    let differs = |key: &&&String| recipes.iter().any(|recipe| recipe.get(**key) != recipes[0].get(**key));
    let rows: Vec<_> =
        keys.iter().filter(differs).map(|key| (key.to_string(), values(&recipes, key))).collect();
    text += "\n";
    text += &if rows.is_empty() {
        "The recipes are equal.\n".into()
    } else {
        table("recipe", rows).terminal(width.table)
    };

    let numbers: Vec<_> = runs.iter().map(|(_, run)| measured(run)).collect();
    let numbers: Vec<_> = numbers.iter().collect();
    let keys: BTreeSet<&String> = numbers.iter().flat_map(|run| run.keys()).collect();
    let rows: Vec<_> = keys.iter().map(|key| (key.to_string(), values(&numbers, key))).collect();
    text += "\n";
    text += &if rows.is_empty() {
        "Nothing is measured.\n".into()
    } else {
        table("measured", rows).terminal(width.table)
    };
    Ok(text)
}

fn table(head: &str, rows: Vec<(String, Vec<String>)>) -> TextTable {
    let runs = rows.first().map_or(0, |(_, cells)| cells.len());
    let column =
        |head: String, number: bool, cells: Vec<String>| TextColumn { head, cells, number, spare: 0 };
    let mut columns = vec![column(head.into(), false, rows.iter().map(|(key, _)| key.clone()).collect())];
    for index in 0..runs {
        columns.push(column(
            letter(index),
            true,
            rows.iter().map(|(_, cells)| cells[index].clone()).collect(),
        ));
    }
    TextTable { columns }
}

fn letter(index: usize) -> String {
    u8::try_from(index)
        .ok()
        .filter(|&n| n < 26)
        .map_or(format!("#{}", index + 1), |n| char::from(b'A' + n).into())
}

fn values(runs: &[&BTreeMap<String, String>], key: &str) -> Vec<String> {
    runs.iter().map(|run| run.get(key).cloned().unwrap_or("–".into())).collect()
}

/// Every number with all that it depends on, so that equal names are equal kinds of numbers.
fn measured(run: &Run) -> BTreeMap<String, String> {
    let mut numbers = BTreeMap::new();
    for measurement in &run.measurements {
        let metric = &measurement.metric;
        let otherwise = measurement.digest.iter().chain(&measurement.set);
        let otherwise: String = otherwise.map(|way| format!(", {way}")).collect();
        let name = format!(
            "{} {} ({}, {}{otherwise})",
            measurement.evaluator, metric.name, metric.protocol, metric.split
        );
        numbers.insert(name, metric.value.map_or("not a number".into(), |value| format!("{value:.2}")));
    }
    if let Some(rank) = run.training.last_rank() {
        numbers.insert("effective rank, last epoch".into(), format!("{rank:.2}"));
    }
    numbers
}
