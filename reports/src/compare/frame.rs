//! The tables as Polars data frames.

use super::provenance::Provenance;
use crate::compare::section::{Protocol, RowResult, Section, Setting};
use crate::compare::statistics::Summary;
use crate::read::run::Run;
use anyhow::{Context, Result};
use polars::prelude::{Column, DataFrame, IntoColumn, NamedFrom, Series};
use univip_run_format::Plan;

/// One row per table row, with the setting of its section. Means and sample deviations are over seeds;
/// what was not measured is null.
pub fn rows(section: &Section<'_>) -> Result<DataFrame> {
    let rows = &section.rows;
    let mut columns = shared(section, rows.len());
    let floats = |name: &str, number: &dyn Fn(&RowResult<'_>) -> Option<f64>| {
        Series::new(name.into(), rows.iter().map(number).collect::<Vec<_>>()).into_column()
    };
    let counts = |name: &str, number: &dyn Fn(&RowResult<'_>) -> Option<u64>| {
        Series::new(name.into(), rows.iter().map(number).collect::<Vec<_>>()).into_column()
    };
    let texts = |name: &str, text: &dyn Fn(&RowResult<'_>) -> String| {
        Series::new(name.into(), rows.iter().map(text).collect::<Vec<_>>()).into_column()
    };
    let top1 = |row: &RowResult<'_>| Summary::of(row.top1.values().copied());
    let knn = |row: &RowResult<'_>| Summary::of(row.knn.values().copied());
    let boxes = |row: &RowResult<'_>| Summary::of(row.boxes.values().copied());
    let masks = |row: &RowResult<'_>| Summary::of(row.masks.values().copied());
    let rank = |row: &RowResult<'_>| Summary::of(row.finished(|run| run.training.last_rank()));
    columns.extend([
        texts("row", &|row| row.label.clone()),
        texts("title", &|row| row.title.clone()),
        texts("components", &|row| row.components.join(" + ")),
        texts("fingerprint", &|row| row.fingerprint.clone()),
        floats("paper_top1", &|row| row.paper.top1),
        floats("paper_map", &|row| row.paper.map),
        floats("top1", &|row| Some(top1(row)?.mean)),
        floats("top1_sd", &|row| top1(row)?.deviation),
        counts("n", &|row| Some(row.top1.len() as u64)),
        floats("difference", &|row| Some(row.difference?.mean)),
        floats("difference_sd", &|row| row.difference?.deviation),
        counts("difference_n", &|row| Some(row.difference?.n as u64)),
        floats("paper_difference", &|row| row.paper_difference),
        floats("knn", &|row| Some(knn(row)?.mean)),
        floats("knn_sd", &|row| knn(row)?.deviation),
        floats("bbox_ap", &|row| Some(boxes(row)?.mean)),
        floats("bbox_ap_sd", &|row| boxes(row)?.deviation),
        floats("mask_ap", &|row| Some(masks(row)?.mean)),
        floats("mask_ap_sd", &|row| masks(row)?.deviation),
        floats("effective_rank", &|row| Some(rank(row)?.mean)),
        floats("effective_rank_sd", &|row| rank(row)?.deviation),
        floats("seconds", &|row| Some(Summary::of(row.finished(Run::seconds))?.mean)),
        counts("peak_memory_bytes", &|row| {
            row.finished(|run| run.record.as_ref()?.peak_memory_bytes).into_iter().max()
        }),
        texts("finished", &|row| row.state.clone()),
    ]);
    DataFrame::new(rows.len(), columns).context("making the data frame of a table")
}

/// One row per run, so that any other statistic can be made of them.
pub fn runs(section: &Section<'_>) -> Result<DataFrame> {
    let pairs: Vec<(&RowResult<'_>, &Run)> =
        section.rows.iter().flat_map(|row| row.runs.iter().map(move |run| (row, *run))).collect();
    let mut columns = shared(section, pairs.len());
    let series = |name: &str, values: Vec<Option<f64>>| Series::new(name.into(), values).into_column();
    let texts = |name: &str, values: Vec<String>| Series::new(name.into(), values).into_column();
    let each = |number: &dyn Fn(&RowResult<'_>, &Run) -> Option<f64>| {
        pairs.iter().map(|(row, run)| number(row, run)).collect::<Vec<_>>()
    };
    let status =
        |run: &Run| run.record.as_ref().map_or("no record", |record| record.status.name()).to_string();
    let said = |say: &dyn Fn(Provenance) -> String| -> Vec<String> {
        let of_run =
            |run: &Run| run.record.as_ref().map_or(String::new(), |record| say(Provenance::of(record)));
        pairs.iter().map(|(_, run)| of_run(run)).collect()
    };
    let phase = |run: &Run, name: &str| run.record.as_ref()?.seconds.get(name).copied();
    columns.extend([
        texts("row", pairs.iter().map(|(row, _)| row.label.clone()).collect()),
        texts("fingerprint", pairs.iter().map(|(_, run)| run.fingerprint.clone()).collect()),
        Series::new("seed".into(), pairs.iter().map(|(_, run)| run.seed).collect::<Vec<_>>()).into_column(),
        texts("status", pairs.iter().map(|(_, run)| status(run)).collect()),
        series("top1", each(&|row, run| row.top1.get(&run.seed).copied())),
        series("knn", each(&|row, run| row.knn.get(&run.seed).copied())),
        series("bbox_ap", each(&|row, run| row.boxes.get(&run.seed).copied())),
        series("mask_ap", each(&|row, run| row.masks.get(&run.seed).copied())),
        series("effective_rank", each(&|_, run| run.training.last_rank())),
        series("proposals_seconds", each(&|_, run| phase(run, "proposals"))),
        series("train_seconds", each(&|_, run| phase(run, "train"))),
        series("evaluate_seconds", each(&|_, run| phase(run, "evaluate"))),
        texts("builds", said(&|from| from.builds)),
        texts("hosts", said(&|from| from.hosts)),
        texts("started", said(&|from| from.started)),
        texts("ended", said(&|from| from.ended)),
        texts("command", said(&|from| from.command)),
        texts("path", pairs.iter().map(|(_, run)| run.path.display().to_string()).collect()),
    ]);
    DataFrame::new(pairs.len(), columns).context("making the data frame of the runs")
}

fn shared(section: &Section<'_>, height: usize) -> Vec<Column> {
    let (Plan { table, .. }, setting) = (section.plan, &section.setting);
    let Setting { scale, overrides, data, data_digest, probe_data, linear, knn, detection } = setting;
    let name = |protocol: &Option<Protocol>| protocol.as_ref().map(|protocol| protocol.name.clone());
    let split = |protocol: &Option<Protocol>| protocol.as_ref().map(|protocol| protocol.split.clone());
    let fixed = [
        ("table", Some(table.clone())),
        ("scale", Some(scale.clone())),
        ("overrides", (!overrides.is_empty()).then(|| overrides.join(" "))),
        ("data", Some(data.clone())),
        ("data_digest", Some(data_digest.clone())),
        ("probe_data", Some(probe_data.clone())),
        ("protocol", name(linear)),
        ("split", split(linear)),
        ("knn_protocol", name(knn)),
        ("knn_split", split(knn)),
        ("detection_protocol", name(detection)),
        ("detection_split", split(detection)),
    ];
    let column =
        |(name, value): (&str, Option<String>)| Series::new(name.into(), vec![value; height]).into_column();
    fixed.into_iter().map(column).collect()
}
