//! The gain of each row over the untrained backbone, as a table.

use super::text::{TextColumn, TextTable};
use super::view::paired;
use crate::compare::section::Section;

/// A line for each row and a column for each number that the untrained backbone has, too; none where it has none.
pub fn gains(section: &Section<'_>) -> Option<TextTable> {
    let rows: Vec<_> = section.rows.iter().filter(|row| !row.random).collect();
    let measured = |index: &usize| rows.iter().any(|row| row.cells[*index].gain.is_some());
    let measured: Vec<usize> = (0..section.columns.len()).filter(measured).collect();
    let column = |head: &str, number: bool, cells: Vec<String>| TextColumn {
        head: head.into(),
        cells,
        number,
        spare: u8::from(number),
    };
    let mut columns = vec![column("row", false, rows.iter().map(|row| row.label.clone()).collect())];
    for &index in &measured {
        let cells = rows
            .iter()
            .map(|row| &row.cells[index])
            .map(|cell| paired(cell.gain, cell.values.len()))
            .collect();
        columns.push(column(&section.columns[index].head, true, cells));
    }
    (!measured.is_empty()).then_some(TextTable { columns })
}

/// The title of [`gains`].
pub const TITLE: &str = "Gain over the untrained backbone";

/// The explanation of [`gains`].
pub const ABOUT: &str = "Gain over the untrained backbone of the same seed; of several seeds the mean, with its 95% interval by Student's t.";
