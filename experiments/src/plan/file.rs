//! A plan on disk: what reports need to know of it.

use super::ablation::{Plan, distinct};
use super::planned::{MissingRow, PlannedRow, PlannedTable};
use crate::runs::lock_runs;
use crate::system::clock;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use univip_core::digest::hexadecimal;
use univip_core::files::{remove_abandoned, write_atomic};
use univip_run_format::{self as format, PLANS, SINGLE_RECIPES};

impl Plan {
    /// Writes what reports need to know of the tables: `<runs>/plans/table7-small-....json`. A plan takes the place of an
    /// earlier one of the same runs only, and keeps its seeds.
    pub fn write(&self, runs: &Path) -> Result<()> {
        let directory = runs.join(PLANS);
        fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
        // Another process may write the same plan with other seeds.
        let _lock = lock_runs(runs)?;
        remove_abandoned(&directory)?;
        for (place, table) in self.tables.iter().enumerate() {
            let rows: Vec<&PlannedRow> = self.rows.iter().filter(|row| row.table == place).collect();
            let path = directory.join(self.file_name(table, &rows));
            let entry = self.entry(place, &rows, &path)?;
            write_atomic(&path, serde_json::to_string_pretty(&entry)?.as_bytes())?;
        }
        Ok(())
    }

    /// A table as its file has it; the seeds of the file that is there stay.
    fn entry(&self, place: usize, rows: &[&PlannedRow], path: &Path) -> Result<format::Plan> {
        let table = &self.tables[place];
        let row = |row: &&PlannedRow| {
            let asked = self.asked(row);
            format::Row {
                label: row.row.label.clone(),
                group: row.group.clone(),
                title: row.row.title.clone(),
                components: asked.recipe.settings.losses.names.clone(),
                paper: row.row.paper.clone(),
                fingerprint: asked.recipe.fingerprint(),
                measurements: Some(asked.digests()),
                probe_data: Some(asked.recipe.settings.probe_data.name.clone()),
                baseline: row.baseline,
                missing: false,
                cell: row.cell.clone(),
            }
        };
        let mut all: Vec<format::Row> = rows.iter().map(row).collect();
        for (earlier, missing) in table.missing.iter().enumerate() {
            all.insert(missing.after + earlier, of_missing(missing));
        }
        let learned = self.learned(rows);
        let untrained = &self.random.asked[table.random];
        let random = (!self.has_untrained_row(place)).then(|| format::Random {
            fingerprint: untrained.recipe.fingerprint(),
            paper: untrained.recipe.row.clone().unwrap_or_default().paper,
            measurements: Some(untrained.digests()),
            probe_data: Some(untrained.recipe.settings.probe_data.name.clone()),
        });
        Ok(format::Plan {
            table: table.name.clone(),
            caption: table.caption.clone(),
            scale: self.scale.clone(),
            data: learned.names,
            several_data: learned.several,
            overrides: Some(self.overrides.clone()),
            written: clock::milliseconds()?,
            seeds: distinct(self.seeds.iter().copied().chain(seeds_of(path))),
            rows: all,
            columns: table.columns.clone(),
            differences: table.differences.clone(),
            left_out: table.left_out.clone(),
            random,
            axes: table.axes.clone(),
        })
    }

    /// The data that rows learn from.
    fn learned(&self, rows: &[&PlannedRow]) -> Learned {
        let recipes = rows.iter().map(|row| &self.asked(row).recipe);
        let trained = recipes.filter(|recipe| !recipe.settings.losses.names.is_empty());
        let mut learned: Vec<(&str, String)> = Vec::new();
        for recipe in trained {
            let data = &recipe.settings.data;
            let images =
                (data.name.as_str(), format!("{} {}", data.limit, recipe.resolved()["dataset"][&data.name]));
            if !learned.contains(&images) {
                learned.push(images);
            }
        }
        let names: BTreeSet<&str> = learned.iter().map(|(name, _)| *name).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let of_random = || self.random.asked[0].recipe.settings.data.name.clone();
        let names = if names.is_empty() { of_random() } else { names.join(", ") };
        Learned { names, several: learned.len() > 1 }
    }

    /// A name that tells all runs and measurements of a table from any others; a recipe by itself is named.
    fn file_name(&self, table: &PlannedTable, rows: &[&PlannedRow]) -> String {
        let mut digest = Sha256::new();
        let random = &self.random.asked[table.random];
        for asked in rows.iter().map(|row| self.asked(row)).chain([random]) {
            digest.update(asked.recipe.fingerprint());
            for (name, measurement) in asked.digests() {
                digest.update(format!(" {name} {measurement}"));
            }
        }
        let digest = hexadecimal(&digest.finalize()[..6]);
        let name = match rows {
            [row] if table.name == SINGLE_RECIPES => {
                format!("-{}-{}", plain(&row.name), self.asked(row).recipe.fingerprint())
            }
            _ => String::new(),
        };
        format!("{}-{}{name}-{digest}.json", table.name, self.scale)
    }
}

/// The data that the rows of a table learn from.
struct Learned {
    /// The names of the datasets.
    names: String,
    /// They do not all learn from the same images.
    several: bool,
}

fn of_missing(MissingRow { row, group, .. }: &MissingRow) -> format::Row {
    format::Row {
        label: row.label.clone(),
        group: group.clone(),
        title: row.title.clone(),
        components: Vec::new(),
        paper: row.paper.clone(),
        fingerprint: String::new(),
        measurements: None,
        probe_data: None,
        baseline: false,
        missing: true,
        cell: Vec::new(),
    }
}

/// The seeds of a plan that is there; one that cannot be read is written anew.
fn seeds_of(path: &Path) -> Vec<u64> {
    let written = fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<format::Plan>(&bytes).ok());
    written.map(|written| written.seeds).unwrap_or_default()
}

/// A name with the characters alone that every file system has.
pub(super) fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect()
}
