//! A sweep's grid in short: its best cell, and what each value of an axis does on the average.

use super::cell::Cell;
use super::section::{RowResult, Section};
use super::statistics::Summary;
use std::collections::BTreeMap;
use univip_run_format::Plan;

/// A value of an axis.
#[derive(Debug, PartialEq)]
pub struct Effect {
    /// Its axis, by its place in the plan.
    pub axis: usize,
    /// Its place on the axis.
    pub value: usize,
    /// For each column the mean over all cells with this value, over the seeds that all of them have.
    pub means: Vec<Option<Summary>>,
}

/// The main effects: each value of each axis.
pub fn effects(section: &Section<'_>) -> Vec<Effect> {
    let mut effects = Vec::new();
    for (axis, of_axis) in section.plan.axes.iter().enumerate() {
        for value in 0..of_axis.values.len() {
            let rows = || cells(section).filter(|(cell, _)| cell.get(axis) == Some(&value));
            let mean = |column: usize| mean_of_cells(rows().map(|(_, row)| &row.cells[column]));
            let means = (0..section.columns.len()).map(mean).collect();
            effects.push(Effect { axis, value, means });
        }
    }
    effects
}

/// The rows with the highest mean of a column, the highest first.
pub fn ranking<'s, 'a>(section: &'s Section<'a>, column: usize) -> Vec<(&'s RowResult<'a>, Summary)> {
    let measured = cells(section).filter_map(|(_, row)| Some((row, row.cells[column].summary?)));
    let mut ranking: Vec<_> = measured.collect();
    ranking.sort_by(|(_, one), (_, other)| other.mean.total_cmp(&one.mean));
    ranking
}

/// The row of a cell of the grid; none where the cell was left out.
pub fn row_at<'s, 'a>(section: &'s Section<'a>, cell: &[usize]) -> Option<&'s RowResult<'a>> {
    cells(section).find(|(place, _)| *place == cell).map(|(_, row)| row)
}

/// The rows of the grid, each with its place.
fn cells<'s, 'a>(section: &'s Section<'a>) -> impl Iterator<Item = (&'a [usize], &'s RowResult<'a>)> {
    let plan: &'a Plan = section.plan;
    plan.rows.iter().map(|row| &row.cell[..]).zip(&section.rows)
}

fn mean_of_cells<'c>(cells: impl Iterator<Item = &'c Cell>) -> Option<Summary> {
    let (mut count, mut seeds) = (0, BTreeMap::<u64, Vec<f64>>::new());
    for cell in cells {
        count += 1;
        cell.values.iter().for_each(|(seed, value)| seeds.entry(*seed).or_default().push(*value));
    }
    let whole = seeds.into_values().filter(|values| values.len() == count);
    Summary::of(whole.map(|values| values.iter().sum::<f64>() / count as f64))
}
