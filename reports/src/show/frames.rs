//! Frames as files: CSV and Parquet.

use super::escape::cell;
use super::files::write;
use crate::compare::cell::Cell;
use crate::compare::section::{Protocol, RowResult, Section};
use crate::frame::{counts, numbers, texts};
use anyhow::{Context, Result};
use polars::prelude::{
    Column, CsvWriter, DataFrame, IntoColumn, NamedFrom, ParquetWriter, SerWriter, Series,
};
use std::path::Path;

/// Writes a frame as CSV. No cell is a formula.
pub fn write_csv(path: &Path, frame: &DataFrame) -> Result<()> {
    let mut frame = frame.clone();
    for name in frame.get_column_names_owned() {
        let Ok(texts) = frame.column(&name)?.str() else { continue };
        let cells: Vec<Option<String>> = texts.iter().map(|text| text.map(cell)).collect();
        frame.with_column(Series::new(name, cells).into_column()).context("escaping the cells of a table")?;
    }
    let mut bytes = Vec::new();
    CsvWriter::new(&mut bytes).finish(&mut frame).with_context(|| format!("writing {}", path.display()))?;
    write(path, &bytes)
}

/// Writes a frame as Parquet, whose texts are as they were read.
pub fn write_parquet(path: &Path, frame: &DataFrame) -> Result<()> {
    let mut bytes = Vec::new();
    let written = ParquetWriter::new(&mut bytes).finish(&mut frame.clone());
    written.with_context(|| format!("writing {}", path.display()))?;
    write(path, &bytes)
}

/// A line for each row and column of the sections of a table, with the setting of each section. What was not measured is null.
pub fn cells(sections: &[Section<'_>]) -> Result<DataFrame> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for section in sections {
        for row in &section.rows {
            for (index, cell) in row.cells.iter().enumerate() {
                lines.push(Line { section, row, index, cell });
            }
        }
    }
    let mut columns = of_setting(&lines);
    columns.extend(of_row(&lines));
    columns.extend(of_cell(&lines));
    DataFrame::new(lines.len(), columns).context("making the frame of a table")
}

struct Line<'a> {
    section: &'a Section<'a>,
    row: &'a RowResult<'a>,
    index: usize,
    cell: &'a Cell,
}

impl Line<'_> {
    fn protocol(&self) -> Option<&Protocol> {
        self.section.setting.protocols.get(self.index)?.as_ref()
    }
}

fn of_setting(lines: &[Line<'_>]) -> Vec<Column> {
    vec![
        texts("table", lines, |line| line.section.plan.table.clone()),
        texts("scale", lines, |line| line.section.setting.scale.clone()),
        texts("overrides", lines, |line| line.section.setting.overrides.join(" ")),
        texts("data", lines, |line| line.section.setting.data.clone()),
        texts("data_digest", lines, |line| line.section.setting.data_digest.clone()),
        texts("probe_data", lines, |line| line.section.setting.probe_data.clone()),
    ]
}

fn of_row(lines: &[Line<'_>]) -> Vec<Column> {
    vec![
        texts("row", lines, |line| line.row.label.clone()),
        texts("group", lines, |line| line.row.group.clone()),
        texts("title", lines, |line| line.row.title.clone()),
        texts("components", lines, |line| line.row.components.join(" + ")),
        texts("fingerprint", lines, |line| line.row.fingerprint.clone()),
        texts("finished", lines, |line| line.row.state.clone()),
        texts("column", lines, |line| line.section.columns[line.index].head.clone()),
        texts("evaluator", lines, |line| line.section.columns[line.index].evaluator.clone()),
        texts("metric", lines, |line| line.section.columns[line.index].metric.clone()),
        texts("protocol", lines, |line| line.protocol().map_or(String::new(), |by| by.name.clone())),
        texts("split", lines, |line| line.protocol().map_or(String::new(), |by| by.split.clone())),
    ]
}

fn of_cell(lines: &[Line<'_>]) -> Vec<Column> {
    let end = |line: &Line<'_>, end: usize| Some(line.cell.summary?.interval()?[end]);
    let end_of_gain = |line: &Line<'_>, end: usize| Some(line.cell.gain?.interval()?[end]);
    let end_of_difference = |line: &Line<'_>, end: usize| Some(line.cell.difference?.interval()?[end]);
    vec![
        numbers("paper", lines, |line| line.section.paper(line.row, line.index)),
        counts("n", lines, |line| Some(line.cell.values.len() as u64)),
        numbers("mean", lines, |line| Some(line.cell.summary?.mean)),
        numbers("sd", lines, |line| line.cell.summary?.deviation),
        numbers("low", lines, |line| end(line, 0)),
        numbers("high", lines, |line| end(line, 1)),
        numbers("paper_difference", lines, |line| line.section.paper_difference(line.row, line.index)),
        counts("difference_n", lines, |line| Some(line.cell.difference?.n as u64)),
        numbers("difference", lines, |line| Some(line.cell.difference?.mean)),
        numbers("difference_sd", lines, |line| line.cell.difference?.deviation),
        numbers("difference_low", lines, |line| end_of_difference(line, 0)),
        numbers("difference_high", lines, |line| end_of_difference(line, 1)),
        numbers("gain", lines, |line| Some(line.cell.gain?.mean)),
        numbers("gain_low", lines, |line| end_of_gain(line, 0)),
        numbers("gain_high", lines, |line| end_of_gain(line, 1)),
        numbers("p", lines, |line| line.cell.p.map(|[p, _]| p)),
        numbers("p_holm", lines, |line| line.cell.p.map(|[_, held]| held)),
        counts("n_for_paper_difference", lines, |line| {
            Some(line.section.seeds_to_see(line.row, line.index)? as u64)
        }),
    ]
}
