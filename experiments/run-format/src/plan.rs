//! `plans/*.json`: the rows and seeds of a table, written before they are run.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The table of recipes that are run by themselves.
pub const SINGLE_RECIPES: &str = "run";

/// A planned table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// `table7`.
    pub table: String,
    /// One sentence about the table.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub caption: String,
    /// The scale's name.
    pub scale: String,
    /// The dataset learned from.
    pub data: String,
    /// The settings laid over the recipes, as `key=value`; none where an earlier version did not say.
    #[serde(default)]
    pub overrides: Option<Vec<String>>,
    /// The time of writing, RFC 3339; empty where an earlier version did not say.
    #[serde(default)]
    pub written: String,
    /// The seeds of every row.
    pub seeds: Vec<u64>,
    /// The rows, in the paper's order.
    pub rows: Vec<Row>,
    /// The untrained backbone that stands beside the table.
    #[serde(default)]
    pub random: Option<Random>,
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// `(a)`.
    pub label: String,
    /// `BYOL`.
    #[serde(default)]
    pub title: String,
    /// Its parts, such as its losses.
    #[serde(default)]
    pub components: Vec<String>,
    /// The paper's numbers, by metric.
    #[serde(default)]
    pub paper: BTreeMap<String, f64>,
    /// The recipe's fingerprint: the runs that carry it are this row's.
    pub fingerprint: String,
    /// True for the row that the others are compared with.
    #[serde(default)]
    pub baseline: bool,
}

/// The untrained backbone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Random {
    /// The recipe's fingerprint.
    pub fingerprint: String,
    /// The paper's numbers (Table 1), by metric.
    #[serde(default)]
    pub paper: BTreeMap<String, f64>,
}

impl Plan {
    /// The fingerprints of its rows and of the untrained backbone.
    pub fn fingerprints(&self) -> impl Iterator<Item = &str> {
        let rows = self.rows.iter().map(|row| row.fingerprint.as_str());
        rows.chain(self.random.iter().map(|random| random.fingerprint.as_str()))
    }
}
