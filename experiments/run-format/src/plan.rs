//! `plans/*.json`: the rows, columns and seeds of a table, written before they are run.

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
    /// The dataset learned from; of several the names, joined by commas.
    pub data: String,
    /// True where its rows learn from different images, as in the paper's Table 1: rows are then compared all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub several_data: bool,
    /// The settings laid over the recipes, as `key=value`; none where an earlier version did not say.
    #[serde(default)]
    pub overrides: Option<Vec<String>>,
    /// The time of writing, RFC 3339; empty where an earlier version did not say.
    #[serde(default)]
    pub written: String,
    /// The seeds of every row.
    pub seeds: Vec<u64>,
    /// The rows, in order.
    pub rows: Vec<Row>,
    /// The numbers that the table shows, in order; empty for all that its runs were measured by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Column>,
    /// The differences between rows that it shows by themselves, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// The rows of the table that cannot be run with these settings, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// The axes of the grid that the rows are the cells of, where the table is a sweep.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub axes: Vec<Axis>,
    /// The untrained backbone that stands beside the table.
    #[serde(default)]
    pub random: Option<Random>,
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// `(a)`.
    pub label: String,
    /// The title of the group of rows that it belongs to; empty in a table without groups.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// `BYOL`.
    #[serde(default)]
    pub title: String,
    /// Its parts, such as its losses.
    #[serde(default)]
    pub components: Vec<String>,
    /// The paper's numbers, by the name that columns call them by.
    #[serde(default)]
    pub paper: BTreeMap<String, f64>,
    /// The recipe's fingerprint: the runs that carry it are this row's. Empty where the method is missing.
    pub fingerprint: String,
    /// The measurements that the row asks for, by name, each with its digest: lines of `evaluations.jsonl` that carry it are the
    /// row's. None where an earlier version did not say: then all lines of the run's own recipe are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measurements: Option<BTreeMap<String, String>>,
    /// The dataset of its probe data; none where an earlier version did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_data: Option<String>,
    /// True for the row that the others are compared with.
    #[serde(default)]
    pub baseline: bool,
    /// True where the method is not there yet, so that only the paper's numbers are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub missing: bool,
    /// The place of its value on each axis of a sweep.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cell: Vec<usize>,
}

/// An axis of a sweep: a key of the recipe and the values that it takes in turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// `loss.instance.epsilon`.
    pub key: String,
    /// Each as it was written.
    pub values: Vec<String>,
}

/// A column of a table: a number of an evaluator.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its heading: `top-1`.
    pub head: String,
    /// Its explanation below the table: a phrase.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The measurement that it is a number of, by its name.
    pub evaluator: String,
    /// The name that the evaluator gives the number: `top1`.
    pub metric: String,
    /// The only protocol that counts; where none is stated, the one that most rows were measured by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// The name of the paper's number in the rows' `paper`; none where the paper has no such number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paper: Option<String>,
    /// The heading of the paper's numbers; `paper` and [`Column::head`] where none is stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paper_head: Option<String>,
    /// True to show the differences to the baseline.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub difference: bool,
}

/// A difference between two rows of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The thing that it tells: `scene-instance helps`.
    pub about: String,
    /// A row, by its label.
    pub row: String,
    /// The row whose numbers are taken from its.
    pub minus: String,
}

/// The untrained backbone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Random {
    /// The recipe's fingerprint.
    pub fingerprint: String,
    /// The paper's numbers (Table 1), by the name that columns call them by.
    #[serde(default)]
    pub paper: BTreeMap<String, f64>,
    /// As a row's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measurements: Option<BTreeMap<String, String>>,
    /// As a row's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_data: Option<String>,
}

impl Plan {
    /// The fingerprints of its rows and of the untrained backbone.
    pub fn fingerprints(&self) -> impl Iterator<Item = &str> {
        let rows = self.rows.iter().filter(|row| !row.missing).map(|row| row.fingerprint.as_str());
        rows.chain(self.random.iter().map(|random| random.fingerprint.as_str()))
    }
}
