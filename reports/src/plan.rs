//! What a table was meant to be: its rows and seeds, written by `univip ablate` before it runs them.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::collections::BTreeSet;
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
    /// The seeds of every row.
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

    fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let plan: Self = serde_json::from_slice(&bytes).with_context(|| {
            format!("{} is not a plan; remove it and run `cargo xtask ablate` again", path.display())
        })?;
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

/// Every plan under the `roots`, or only `table`'s, ordered by table, scale and file name.
///
/// # Errors
/// When there is none, or one is malformed.
pub fn read_plans(roots: &[PathBuf], table: Option<&str>) -> Result<Vec<Plan>> {
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
    let mut plans = paths.iter().map(|path| Plan::read(path)).collect::<Result<Vec<_>>>()?;
    plans.sort_by(|a, b| (&a.table, &a.scale).cmp(&(&b.table, &b.scale)));
    plans.dedup();
    let tables: BTreeSet<String> = plans.iter().map(|plan| plan.table.clone()).collect();
    if let Some(table) = table {
        plans.retain(|plan| plan.table == table);
    }
    if plans.is_empty() {
        let places: Vec<_> = roots.iter().map(|root| root.join("plans").display().to_string()).collect();
        let places = places.join(", ");
        let known = tables.into_iter().collect::<Vec<_>>().join(", ");
        match table {
            Some(table) if !known.is_empty() => bail!("no plan of `{table}` in {places}: there are {known}"),
            _ => bail!("no plan in {places}: run `cargo xtask ablate {}` first", table.unwrap_or("table7")),
        }
    }
    Ok(plans)
}
