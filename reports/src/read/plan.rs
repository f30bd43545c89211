//! What a table was meant to be: its rows and seeds, written by `univip ablate` before it runs them.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// `<runs>/plans/<table>-<scale>....json`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Plan {
    /// `table7`.
    pub table: String,
    /// The scale's name.
    pub scale: String,
    /// The dataset learned from.
    pub data: String,
    /// What was laid over the recipes, as `key=value`; none where the plan does not say.
    #[serde(default)]
    pub overrides: Option<Vec<String>>,
    /// When it was written, RFC 3339; empty where the plan does not say.
    #[serde(default)]
    pub written: String,
    /// The seeds of every row, each once and in order.
    pub seeds: Vec<u64>,
    /// In the paper's order.
    pub rows: Vec<Row>,
    /// The untrained backbone that stands beside the table.
    pub random: Option<Random>,
    /// One sentence on what the table is about.
    #[serde(default)]
    pub caption: String,
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Row {
    /// `(a)`.
    pub label: String,
    /// `BYOL`.
    #[serde(default)]
    pub title: String,
    /// What it is made of, such as its losses.
    #[serde(default)]
    pub components: Vec<String>,
    /// What the paper states.
    #[serde(default)]
    pub paper: Paper,
    /// The recipe's fingerprint: the runs that carry it are this row's.
    pub fingerprint: String,
    /// Whether the others are compared with it.
    #[serde(default)]
    pub baseline: bool,
}

/// The untrained backbone.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Random {
    /// The recipe's fingerprint.
    pub fingerprint: String,
    /// What the paper states (Table 1).
    #[serde(default)]
    pub paper: Paper,
}

/// The paper's numbers of a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
pub struct Paper {
    /// Linear evaluation on ImageNet, top-1 in percent.
    pub top1: Option<f64>,
    /// Detection on COCO, mAP.
    pub map: Option<f64>,
}

impl Plan {
    /// The fingerprints of its rows and of the random backbone.
    pub fn fingerprints(&self) -> impl Iterator<Item = &str> {
        let rows = self.rows.iter().map(|row| row.fingerprint.as_str());
        rows.chain(self.random.iter().map(|random| random.fingerprint.as_str()))
    }

    /// Whether the same runs make both tables.
    fn same_runs(&self, other: &Self) -> bool {
        (&self.table, &self.scale) == (&other.table, &other.scale)
            && self.fingerprints().eq(other.fingerprints())
    }

    /// Whether it plans the same rows anew: its recipes have changed since the `other` was written. Recipes that are
    /// run by themselves change all the time, and each stays.
    fn supersedes(&self, other: &Self) -> bool {
        let setting = |plan: &Self| (plan.table.clone(), plan.scale.clone(), plan.data.clone());
        self.table != RUN
            && self.overrides.is_some()
            && self.overrides == other.overrides
            && setting(self) == setting(other)
    }

    fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let mut plan: Self = serde_json::from_slice(&bytes).with_context(|| {
            format!("{} is not a plan; remove it and run `cargo xtask ablate` again", path.display())
        })?;
        distinct(&mut plan.seeds);
        let baselines = plan.rows.iter().filter(|row| row.baseline).count();
        ensure!(baselines <= 1, "{}: {baselines} rows are the baseline; one can be", path.display());
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let name = &plan.table;
        ensure!(
            !name.is_empty() && name.chars().all(plain),
            "{}: `{name}` cannot name a table",
            path.display()
        );
        Ok(plan)
    }
}

/// The table of recipes that were run by themselves.
const RUN: &str = "run";

/// A table that was asked for and that no plan is of.
#[derive(Debug)]
pub struct UnknownTable(String);

impl fmt::Display for UnknownTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UnknownTable {}

/// Every plan under the `roots`, or only `table`'s, ordered by table, scale and overrides: of the same runs one with
/// the seeds of all, and of the same setting the newest.
///
/// # Errors
/// When there is none, or one is malformed; [`UnknownTable`] when there are, but not `table`'s.
pub fn read_plans(roots: &[PathBuf], table: Option<&str>) -> Result<Vec<Plan>> {
    let mut plans = plan_files(roots)?.iter().map(|path| Plan::read(path)).collect::<Result<Vec<_>>>()?;
    let places: Vec<_> = roots.iter().map(|root| root.join("plans").display().to_string()).collect();
    let places = places.join(", ");
    if plans.is_empty() {
        bail!("no plan in {places}: run `cargo xtask ablate {}` first", table.unwrap_or("table7"));
    }
    let tables: BTreeSet<String> = plans.iter().map(|plan| plan.table.clone()).collect();
    if let Some(table) = table {
        plans.retain(|plan| plan.table == table);
        if plans.is_empty() {
            let problem = format!("no plan of `{table}` in {places}; {}", suggest(table, &tables));
            return Err(UnknownTable(problem).into());
        }
    }
    let mut plans = newest(plans);
    plans.sort_by(|a, b| (&a.table, &a.scale, &a.overrides).cmp(&(&b.table, &b.scale, &b.overrides)));
    Ok(plans)
}

/// The files of plans, sorted.
fn plan_files(roots: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for root in roots {
        let plans = root.join("plans");
        if !plans.is_dir() {
            continue;
        }
        let listing = || format!("listing {}", plans.display());
        for entry in fs::read_dir(&plans).with_context(listing)? {
            let path = entry.with_context(listing)?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    Ok(paths)
}

/// The plans without those that a later one stands for.
fn newest(mut plans: Vec<Plan>) -> Vec<Plan> {
    plans.sort_by_key(|plan| Reverse(plan.written.clone()));
    let mut kept: Vec<Plan> = Vec::new();
    for plan in plans {
        if let Some(later) = kept.iter_mut().find(|later| later.same_runs(&plan)) {
            later.seeds.extend(plan.seeds);
            distinct(&mut later.seeds);
        } else if !kept.iter().any(|later| later.supersedes(&plan)) {
            kept.push(plan);
        }
    }
    kept
}

/// Each number once, in order.
fn distinct(seeds: &mut Vec<u64>) {
    seeds.sort_unstable();
    seeds.dedup();
}

/// "did you mean `table7`?" when one of `known` is close to `given`, then the whole list.
fn suggest(given: &str, known: &BTreeSet<String>) -> String {
    let distance = |name: &&String| strsim::damerau_levenshtein(given, name);
    let close = known.iter().filter(|name| distance(name) <= 2).min_by_key(distance);
    let list = known.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    match close {
        Some(name) => format!("did you mean `{name}`? There are {list}"),
        None => format!("there are {list}"),
    }
}
