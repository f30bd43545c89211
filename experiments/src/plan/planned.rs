//! The parts of a plan: tables and rows, the pre-trainings that rows share, and what is needed of these.

use crate::runs::Asked;
use std::collections::BTreeSet;
use univip_core::recipe::{Measurement, Recipe, Row};
use univip_run_format::{Axis, Column, Difference};

/// A table without its rows.
#[derive(Default)]
pub(super) struct PlannedTable {
    /// `table7`.
    pub(super) name: String,
    /// One sentence about it.
    pub(super) caption: String,
    /// The numbers that it shows; empty for all.
    pub(super) columns: Vec<Column>,
    /// The differences that it shows by themselves, of rows by their labels.
    pub(super) differences: Vec<Difference>,
    /// The rows that what is laid over the recipes cannot be said of, a sentence each.
    pub(super) left_out: Vec<String>,
    /// The place, among those of the untrained backbone, of the recipe that measures it as the table's rows are.
    pub(super) random: usize,
    /// The rows whose method is not there yet, in order.
    pub(super) missing: Vec<MissingRow>,
    /// The axes of a sweep's grid.
    pub(super) axes: Vec<Axis>,
}

/// A row that stands in its table with the paper's numbers alone.
pub(super) struct MissingRow {
    /// `orl-coco`.
    pub(super) name: String,
    /// Its label, title and numbers.
    pub(super) row: Row,
    /// The title of its group of rows.
    pub(super) group: String,
    /// The number of planned rows of its table that stand before it.
    pub(super) after: usize,
}

/// A row of a table.
pub struct PlannedRow {
    /// `table7/d`.
    pub name: String,
    /// `[row]`.
    pub row: Row,
    /// Its table, by its place in the plan.
    pub(super) table: usize,
    /// The title of its group of rows.
    pub(super) group: String,
    /// True for the row that the others are compared with.
    pub(super) baseline: bool,
    /// The place of its value on each axis of a sweep.
    pub(super) cell: Vec<usize>,
    /// The index of the plan's training that makes its backbone.
    pub(super) run: usize,
    /// The place of its recipe among those that measure this backbone.
    pub(super) asked: usize,
    /// True when it is asked for; the other rows only stand in the report.
    pub(super) wanted: bool,
}

/// A pre-training that is run once for each seed, for one row or several.
pub struct PlannedRun {
    /// `table7-e`, after the first row that needs it.
    pub name: String,
    /// The recipes of its rows, as far as they ask for different measurements.
    pub asked: Vec<Asked>,
    fingerprint: String,
}

impl PlannedRun {
    pub(super) fn new(name: String, asked: Asked) -> Self {
        let fingerprint = asked.recipe.fingerprint();
        Self { name, asked: vec![asked], fingerprint }
    }

    /// The fingerprint of its recipes.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The place of a recipe of this pre-training, which is added where none asks for these measurements.
    pub(super) fn add(&mut self, asked: Asked) -> usize {
        self.asked.iter().position(|other| other.measures_as(&asked)).unwrap_or_else(|| {
            self.asked.push(asked);
            self.asked.len() - 1
        })
    }
}

/// A run that rows need.
pub(super) struct NeededRun<'a> {
    pub(super) run: &'a PlannedRun,
    /// The recipes that ask for its measurements.
    pub(super) asked: Vec<&'a Asked>,
}

impl<'a> NeededRun<'a> {
    /// Its measurements, each once, with the recipe that asks for it.
    pub(super) fn measurements(&self) -> Vec<(&'a Recipe, &'a Measurement)> {
        let mut seen = BTreeSet::new();
        let each = |asked: &&'a Asked| {
            let asked: &'a Asked = asked;
            asked.measurements.iter().map(move |each| (&asked.recipe, each))
        };
        self.asked.iter().flat_map(each).filter(|(_, each)| seen.insert(each.digest.as_str())).collect()
    }
}
