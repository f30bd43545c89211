//! Planned tables: their rows and seeds, written by `univip ablate` before it runs them.

use super::folder::Folder;
use anyhow::{Context, Result, bail, ensure};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use univip_run_format::{PLANS, Plan, SINGLE_RECIPES, can_name_table};
use univip_stdx::refusal::suggest;

/// True when the same measurements of the same runs make both tables.
fn same_runs(one: &Plan, other: &Plan) -> bool {
    fn asked(plan: &Plan) -> impl Iterator<Item = (&str, Option<&BTreeMap<String, String>>)> {
        let rows = plan.rows.iter().map(|row| (row.fingerprint.as_str(), row.measurements.as_ref()));
        let random = plan.random.iter().map(|row| (row.fingerprint.as_str(), row.measurements.as_ref()));
        rows.chain(random)
    }
    (&one.table, &one.scale) == (&other.table, &other.scale) && asked(one).eq(asked(other))
}

/// True when it plans the same rows anew: its recipes have changed since the `other` was written. Recipes that are run by
/// themselves change all the time, and each stays.
fn supersedes(plan: &Plan, other: &Plan) -> bool {
    let setting = |plan: &Plan| (plan.table.clone(), plan.scale.clone(), plan.data.clone());
    plan.table != SINGLE_RECIPES
        && plan.overrides.is_some()
        && plan.overrides == other.overrides
        && setting(plan) == setting(other)
}

fn parse(path: &Path, text: &str) -> Result<Plan> {
    let mut plan: Plan = serde_json::from_str(text).with_context(|| {
        format!("{} is not a plan; remove it and run `cargo xtask ablate` again", path.display())
    })?;
    distinct(&mut plan.seeds);
    let baselines = plan.rows.iter().filter(|row| row.baseline).count();
    ensure!(baselines <= 1, "{}: {baselines} rows are the baseline; one can be", path.display());
    let name = &plan.table;
    ensure!(can_name_table(name), "{}: `{name}` cannot name a table", path.display());
    Ok(plan)
}

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
pub fn read_plans(roots: &[Folder], table: Option<&str>) -> Result<Vec<Plan>> {
    let mut plans = all_plans(roots)?;
    let places: Vec<_> = roots.iter().map(|root| root.path().join(PLANS).display().to_string()).collect();
    let places = places.join(", ");
    if plans.is_empty() {
        bail!("no plan in {places}: run `cargo xtask ablate {}` first", table.unwrap_or("table7"));
    }
    let tables: BTreeSet<String> = plans.iter().map(|plan| plan.table.clone()).collect();
    if let Some(table) = table {
        plans.retain(|plan| plan.table == table);
        if plans.is_empty() {
            let problem = format!(
                "no plan of `{table}` in {places}; {}",
                suggest(table, &tables.iter().map(String::as_str).collect::<Vec<_>>())
            );
            return Err(UnknownTable(problem).into());
        }
    }
    let mut plans = newest(plans);
    plans.sort_by(|a, b| (&a.table, &a.scale, &a.overrides).cmp(&(&b.table, &b.scale, &b.overrides)));
    Ok(plans)
}

/// Every plan under the `roots`, in the order of their files.
fn all_plans(roots: &[Folder]) -> Result<Vec<Plan>> {
    let mut found = Vec::new();
    for folder in roots.iter().map(|root| root.folder(PLANS)) {
        for file in folder.files()?.into_iter().filter(|file| file.ends_with(".json")) {
            let text = folder.read_text(&file)?;
            found.push(parse(&folder.path().join(&file), &text)?);
        }
    }
    Ok(found)
}

/// The plans without those that a later one stands for.
fn newest(mut plans: Vec<Plan>) -> Vec<Plan> {
    plans.sort_by_key(|plan| Reverse(plan.written.clone()));
    let mut kept: Vec<Plan> = Vec::new();
    for plan in plans {
        if let Some(later) = kept.iter_mut().find(|later| same_runs(later, &plan)) {
            later.seeds.extend(plan.seeds);
            distinct(&mut later.seeds);
        } else if !kept.iter().any(|later| supersedes(later, &plan)) {
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
