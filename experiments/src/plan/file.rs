//! A plan on disk: what reports need to know of it.

use super::ablation::{Plan, PlannedRow, PlannedTable, distinct};
use crate::runs::lock_runs;
use crate::system::clock;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
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
            let path = directory.join(self.file_name(&table.name, &rows));
            let entry = self.entry(table, &rows, &path)?;
            write_atomic(&path, serde_json::to_string_pretty(&entry)?.as_bytes())?;
        }
        Ok(())
    }

    /// A table as its file has it; the seeds of the file that is there stay.
    fn entry(&self, table: &PlannedTable, rows: &[&PlannedRow], path: &Path) -> Result<format::Plan> {
        let row = |row: &&PlannedRow| format::Row {
            label: row.row.label.clone(),
            group: row.group.clone(),
            title: row.row.title.clone(),
            components: self.trainings[row.run].recipe.settings.losses.names.clone(),
            paper: row.row.paper.clone(),
            fingerprint: self.trainings[row.run].recipe.fingerprint(),
            baseline: row.baseline,
        };
        Ok(format::Plan {
            table: table.name.clone(),
            caption: table.caption.clone(),
            scale: self.scale.clone(),
            data: self.random.recipe.settings.data.name.clone(),
            overrides: Some(self.overrides.clone()),
            written: clock::milliseconds()?,
            seeds: distinct(self.seeds.iter().copied().chain(seeds_of(path))),
            rows: rows.iter().map(row).collect(),
            columns: table.columns.clone(),
            left_out: table.left_out.clone(),
            random: Some(format::Random {
                fingerprint: self.random.recipe.fingerprint(),
                paper: self.random.recipe.row.clone().unwrap_or_default().paper,
            }),
        })
    }

    /// A name that tells all runs of a table from any others; a recipe by itself is named.
    fn file_name(&self, table: &str, rows: &[&PlannedRow]) -> String {
        let fingerprint = |row: &PlannedRow| self.trainings[row.run].recipe.fingerprint();
        let mut digest = Sha256::new();
        rows.iter().for_each(|row| digest.update(fingerprint(row)));
        digest.update(self.random.recipe.fingerprint());
        let digest = hexadecimal(&digest.finalize()[..6]);
        let name = match rows {
            [row] if table == SINGLE_RECIPES => format!("-{}-{}", plain(&row.name), fingerprint(row)),
            _ => String::new(),
        };
        format!("{table}-{}{name}-{digest}.json", self.scale)
    }
}

/// The seeds of a plan that is there; one that cannot be read is written anew.
fn seeds_of(path: &Path) -> Vec<u64> {
    let written = fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<format::Plan>(&bytes).ok());
    written.map(|written| written.seeds).unwrap_or_default()
}

/// A name with the characters alone that every file system has.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect()
}
