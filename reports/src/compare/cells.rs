//! The cells of a table: of each row and column the seeds' numbers, their mean, and the differences to the
//! baseline and to the untrained backbone.

use super::cell::Cell;
use super::section::{Protocol, Section, Setting};
use super::seen::Seen;
use super::statistics::{Summary, holm};
use crate::frame::{counts, numbers, texts};
use anyhow::{Context, Result};
use polars::prelude::{
    BooleanChunked, ChunkCompareEq, Column, DataFrame, DataFrameJoinOps, JoinArgs, JoinType,
};
use univip_run_format::Column as ColumnAsked;

/// The cells of every row of a section, in the order of its columns.
///
/// # Errors
/// When Polars cannot make a frame of them, which is a fault of this program.
pub fn cells(section: &Section<'_>, measurements: &DataFrame) -> Result<Vec<Vec<Cell>>> {
    let values = values(section, measurements)?;
    let summaries = summaries(&values, "value")?;
    let mut cells = vec![vec![Cell::default(); section.columns.len()]; section.rows.len()];
    for line in lines(&values, "value")? {
        cells[line.row][line.column].values.insert(line.seed, line.value);
    }
    for (row, column, summary) in summaries {
        cells[row][column].summary = Some(summary);
    }
    if let Some(baseline) = section.rows.iter().position(|row| row.baseline) {
        for (row, column, difference) in summaries_of_differences(&values, baseline)? {
            cells[row][column].difference = Some(difference);
        }
    }
    if let Some(untrained) = section.rows.iter().position(|row| row.random) {
        for (row, column, gain) in summaries_of_differences(&values, untrained)? {
            cells[row][column].gain = Some(gain);
        }
    }
    for column in 0..section.columns.len() {
        test(section, &mut cells, column);
    }
    Ok(cells)
}

/// The frame of a section's numbers: row, column, seed, value. A number is there if it is of the section's data and of its column's
/// protocol, and was measured as the row asks.
fn values(section: &Section<'_>, measurements: &DataFrame) -> Result<DataFrame> {
    let here = measurements.filter(&of_place(measurements, &section.setting)?)?;
    let keys = ["fingerprint", "seed"];
    let mut all = empty()?;
    for (index, column) in section.columns.iter().enumerate() {
        let Some(Protocol { name, split, images }) = &section.setting.protocols[index] else { continue };
        let planned = planned(section, column)?;
        let joined = planned.join(&here, keys, keys, JoinArgs::new(JoinType::Inner), None)?;
        let mut mask = asked(&joined, &section.setting, column)? & is(&joined, "metric", &column.metric)?;
        mask = mask & is(&joined, "protocol", name)? & is(&joined, "split", split)?;
        let of_images = joined.column("images")?.u64()?.equal(*images);
        let mut part = joined.filter(&(mask & of_images))?;
        part.with_column(counts("column", &vec![index; part.height()], |index| Some(*index as u64)))?;
        all.vstack_mut(&part.select(["row", "column", "seed", "value"])?)?;
    }
    all.drop_nulls(Some(&["value".to_string()])).context("leaving out what has no number")
}

/// The lines that were measured as their row asks: those of its digest or, in a plan of an earlier version, those of the column's
/// evaluator that were measured as the run's recipe says.
fn asked(joined: &DataFrame, setting: &Setting, column: &ColumnAsked) -> Result<BooleanChunked> {
    let of_digest = joined.column("asked")?.str()?.equal(joined.column("digest")?.str()?);
    let without = is(joined, "asked", "")?;
    let of_recipe = is(joined, "evaluator", &column.evaluator)? & is(joined, "set", "")?;
    let of_recipe = of_recipe & is(joined, "probe_data", &setting.probe_data)?;
    Ok((of_digest & !without.clone()) | (without & of_recipe))
}

fn empty() -> Result<DataFrame> {
    let none: [u64; 0] = [];
    let whole = |name: &str| counts(name, &none, |number| Some(*number));
    let value = numbers("value", &none, |_| None);
    Ok(DataFrame::new(0, vec![whole("row"), whole("column"), whole("seed"), value])?)
}

/// The runs whose numbers of a column stand in the section's rows: row, fingerprint, seed, and the digest of the measurement that is
/// asked for, empty in a plan of an earlier version.
fn planned(section: &Section<'_>, column: &ColumnAsked) -> Result<DataFrame> {
    struct Line<'a> {
        row: usize,
        seen: Seen<'a>,
        digest: &'a str,
    }
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (row, result) in section.rows.iter().enumerate() {
        for seen in &result.runs {
            let Some(digest) = seen.asked.digest(&column.evaluator) else { continue };
            lines.push(Line { row, seen: *seen, digest: digest.unwrap_or("") });
        }
    }
    let columns = vec![
        counts("row", &lines, |line| Some(line.row as u64)),
        texts("fingerprint", &lines, |line| line.seen.run.fingerprint.clone()),
        counts("seed", &lines, |line| Some(line.seen.run.seed)),
        texts("asked", &lines, |line| line.digest.into()),
    ];
    Ok(DataFrame::new(lines.len(), columns)?)
}

fn of_place(frame: &DataFrame, setting: &Setting) -> Result<BooleanChunked> {
    let Setting { scale, data, data_digest, several_data, .. } = setting;
    let mut mask = is(frame, "scale", scale)?;
    if !several_data {
        mask = mask & is(frame, "data", data)? & is(frame, "data_digest", data_digest)?;
    }
    Ok(mask)
}

fn is(frame: &DataFrame, column: &str, text: &str) -> Result<BooleanChunked> {
    Ok(frame.column(column)?.str()?.equal(text))
}

/// A line of a frame of numbers.
struct Line {
    row: usize,
    column: usize,
    seed: u64,
    value: f64,
}

fn lines(frame: &DataFrame, value: &str) -> Result<Vec<Line>> {
    let whole =
        |name: &str| -> Result<Vec<u64>> { Ok(frame.column(name)?.u64()?.iter().flatten().collect()) };
    let (rows, columns, seeds) = (whole("row")?, whole("column")?, whole("seed")?);
    let values = frame.column(value)?.f64()?.iter().flatten();
    let line =
        |(((row, column), seed), value)| Line { row: row as usize, column: column as usize, seed, value };
    Ok(rows.into_iter().zip(columns).zip(seeds).zip(values).map(line).collect())
}

/// The mean and deviation over the seeds of each row and column.
fn summaries(frame: &DataFrame, value: &str) -> Result<Vec<(usize, usize, Summary)>> {
    if frame.height() == 0 {
        return Ok(Vec::new());
    }
    let one = |group: DataFrame| {
        let seeds = group.column(value)?.as_materialized_series();
        let first = |name: &str| Ok::<_, polars::prelude::PolarsError>(group.column(name)?.head(Some(1)));
        let (n, mean) = (seeds.len(), seeds.mean());
        let deviation = seeds.std(1).filter(|_| n > 1);
        let columns: Vec<Column> = vec![
            first("row")?,
            first("column")?,
            counts("n", &[n], |n| Some(*n as u64)),
            numbers("mean", &[mean], |mean| *mean),
            numbers("sd", &[deviation], |deviation| *deviation),
        ];
        DataFrame::new(1, columns)
    };
    let grouped = frame.group_by_stable(["row", "column"])?.apply(one)?;
    let whole =
        |name: &str| -> Result<Vec<u64>> { Ok(grouped.column(name)?.u64()?.iter().flatten().collect()) };
    let float =
        |name: &str| -> Result<Vec<Option<f64>>> { Ok(grouped.column(name)?.f64()?.iter().collect()) };
    let (rows, columns, counts) = (whole("row")?, whole("column")?, whole("n")?);
    let (means, deviations) = (float("mean")?, float("sd")?);
    let found = (0..grouped.height()).filter_map(|at| {
        let summary = Summary { n: counts[at] as usize, mean: means[at]?, deviation: deviations[at] };
        Some((rows[at] as usize, columns[at] as usize, summary))
    });
    Ok(found.collect())
}

/// Each row's numbers minus those of the row `baseline` of the same seed, in short.
fn summaries_of_differences(values: &DataFrame, baseline: usize) -> Result<Vec<(usize, usize, Summary)>> {
    let of_baseline = values.column("row")?.u64()?.equal(baseline as u64);
    let mut theirs = values.filter(&of_baseline)?.select(["column", "seed", "value"])?;
    theirs.rename("value", "baseline".into())?;
    let ours = values.filter(&!of_baseline)?;
    let keys = ["column", "seed"];
    let mut pairs = ours.join(&theirs, keys, keys, JoinArgs::new(JoinType::Inner), None)?;
    let difference = (pairs.column("value")? - pairs.column("baseline")?)?;
    pairs.with_column(difference.with_name("difference".into()))?;
    summaries(&pairs, "difference")
}

/// The p-values of a column's differences; Holm's are over the rows of the table, without the untrained backbone's.
fn test(section: &Section<'_>, cells: &mut [Vec<Cell>], column: usize) {
    let tested: Vec<(usize, f64)> = (0..cells.len())
        .filter(|&row| !section.rows[row].random)
        .filter_map(|row| Some((row, cells[row][column].difference?.p()?)))
        .collect();
    let held = holm(&tested.iter().map(|(_, p)| *p).collect::<Vec<_>>());
    for ((row, p), held) in tested.into_iter().zip(held) {
        cells[row][column].p = Some([p, held]);
    }
}
