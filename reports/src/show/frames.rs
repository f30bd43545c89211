//! Frames as files: CSV and Parquet.

use super::escape::cell;
use super::files::write;
use crate::compare::cell::Cell;
use crate::compare::section::{Protocol, RowResult, Section};
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
    let texts = |name: &str, text: &dyn Fn(&Line<'_>) -> String| {
        series(name, lines.iter().map(text).collect::<Vec<_>>())
    };
    vec![
        texts("table", &|line| line.section.plan.table.clone()),
        texts("scale", &|line| line.section.setting.scale.clone()),
        texts("overrides", &|line| line.section.setting.overrides.join(" ")),
        texts("data", &|line| line.section.setting.data.clone()),
        texts("data_digest", &|line| line.section.setting.data_digest.clone()),
        texts("probe_data", &|line| line.section.setting.probe_data.clone()),
    ]
}

fn of_row(lines: &[Line<'_>]) -> Vec<Column> {
    let texts = |name: &str, text: &dyn Fn(&Line<'_>) -> String| {
        series(name, lines.iter().map(text).collect::<Vec<_>>())
    };
    let column = |line: &Line<'_>| line.section.columns[line.index].clone();
    vec![
        texts("row", &|line| line.row.label.clone()),
        texts("group", &|line| line.row.group.clone()),
        texts("title", &|line| line.row.title.clone()),
        texts("components", &|line| line.row.components.join(" + ")),
        texts("fingerprint", &|line| line.row.fingerprint.clone()),
        texts("finished", &|line| line.row.state.clone()),
        texts("column", &|line| column(line).head),
        texts("evaluator", &|line| column(line).evaluator),
        texts("metric", &|line| column(line).metric),
        texts("protocol", &|line| line.protocol().map_or(String::new(), |by| by.name.clone())),
        texts("split", &|line| line.protocol().map_or(String::new(), |by| by.split.clone())),
    ]
}

fn of_cell(lines: &[Line<'_>]) -> Vec<Column> {
    let floats = |name: &str, number: &dyn Fn(&Line<'_>) -> Option<f64>| {
        series(name, lines.iter().map(number).collect::<Vec<_>>())
    };
    let counts = |name: &str, count: &dyn Fn(&Line<'_>) -> Option<u64>| {
        series(name, lines.iter().map(count).collect::<Vec<_>>())
    };
    let end = |line: &Line<'_>, end: usize| Some(line.cell.summary?.interval()?[end]);
    let end_of_difference = |line: &Line<'_>, end: usize| Some(line.cell.difference?.interval()?[end]);
    vec![
        floats("paper", &|line| line.section.paper(line.row, line.index)),
        counts("n", &|line| Some(line.cell.values.len() as u64)),
        floats("mean", &|line| Some(line.cell.summary?.mean)),
        floats("sd", &|line| line.cell.summary?.deviation),
        floats("low", &|line| end(line, 0)),
        floats("high", &|line| end(line, 1)),
        floats("paper_difference", &|line| line.section.paper_difference(line.row, line.index)),
        counts("difference_n", &|line| Some(line.cell.difference?.n as u64)),
        floats("difference", &|line| Some(line.cell.difference?.mean)),
        floats("difference_sd", &|line| line.cell.difference?.deviation),
        floats("difference_low", &|line| end_of_difference(line, 0)),
        floats("difference_high", &|line| end_of_difference(line, 1)),
        floats("p", &|line| line.cell.p.map(|[p, _]| p)),
        floats("p_holm", &|line| line.cell.p.map(|[_, held]| held)),
        counts("n_for_paper_difference", &|line| {
            let size = line.section.paper_difference(line.row, line.index)?;
            Some(line.cell.difference?.seeds_to_see(size)? as u64)
        }),
    ]
}

fn series<T>(name: &str, values: Vec<T>) -> Column
where
    Series: NamedFrom<Vec<T>, [T]>,
{
    Series::new(name.into(), values).into_column()
}
