//! A cell of a table: a row's numbers in a column.

use super::statistics::Summary;
use std::collections::BTreeMap;

/// A cell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cell {
    /// The number of each seed.
    pub values: BTreeMap<u64, f64>,
    /// Their mean and deviation.
    pub summary: Option<Summary>,
    /// The differences to the baseline, of the seeds that both have.
    pub difference: Option<Summary>,
    /// The differences to the untrained backbone, of the seeds that both have.
    pub gain: Option<Summary>,
    /// The p-value of the differences, and after Holm over the rows of the table.
    pub p: Option<[f64; 2]>,
}
