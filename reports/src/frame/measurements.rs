//! The measurements: a line for each number.

use super::{counts, numbers, texts};
use crate::read::run::Run;
use anyhow::{Context, Result};
use polars::prelude::DataFrame;
use univip_run_format::{Evaluated, Metric};

/// A line for each number of each run: what it is (name and digest of the measurement, metric, protocol, split, settings that differ from the run's), and
/// the run's recipe, seed and data. Those of the evaluator `run` are of finished runs: its effective
/// rank, seconds and memory.
pub fn measurements(runs: &[Run]) -> Result<DataFrame> {
    let lines: Vec<(&Run, Evaluated)> =
        runs.iter().flat_map(|run| numbers_of(run).into_iter().map(move |line| (run, line))).collect();
    type Line<'a> = (&'a Run, Evaluated);
    let record = |name: &str, field: fn(&univip_run_format::RunRecord) -> String| {
        texts(name, &lines, |(run, _): &Line<'_>| run.record.as_ref().map(field).unwrap_or_default())
    };
    let columns = vec![
        texts("run", &lines, |(run, _): &Line<'_>| run.name()),
        record("name", |record| record.name.clone()),
        texts("fingerprint", &lines, |(run, _): &Line<'_>| run.fingerprint.clone()),
        counts("seed", &lines, |(run, _): &Line<'_>| Some(run.seed)),
        record("status", |record| record.status.name().into()),
        record("scale", |record| record.scale.clone()),
        record("data", |record| record.data.clone()),
        record("data_digest", |record| record.data_digest.clone()),
        texts("probe_data", &lines, |(run, line): &Line<'_>| {
            let of_record = || run.record.as_ref().map(|record| record.probe_data.clone());
            line.probe_data.clone().or_else(of_record).unwrap_or_default()
        }),
        texts("evaluator", &lines, |(_, line): &Line<'_>| line.evaluator.clone()),
        texts("digest", &lines, |(_, line): &Line<'_>| line.digest.clone().unwrap_or_default()),
        texts("metric", &lines, |(_, line): &Line<'_>| line.metric.name.clone()),
        texts("protocol", &lines, |(_, line): &Line<'_>| line.metric.protocol.clone()),
        texts("split", &lines, |(_, line): &Line<'_>| line.metric.split.clone()),
        counts("images", &lines, |(_, line): &Line<'_>| Some(line.metric.images)),
        counts("skipped", &lines, |(_, line): &Line<'_>| Some(line.metric.skipped)),
        texts("set", &lines, |(_, line): &Line<'_>| line.set.join(" ")),
        numbers("value", &lines, |(_, line): &Line<'_>| line.metric.value),
    ];
    DataFrame::new(lines.len(), columns).context("making the frame of measurements")
}

/// The evaluator of the numbers that come from a run's record and its training, and that no evaluator measures: `effective_rank`
/// (of the backbone's features at the end of the last epoch), `seconds`, `peak_memory_bytes`.
const RUN: &str = "run";

/// The numbers of a run, in the order in which they were measured; then those of its record and training.
fn numbers_of(run: &Run) -> Vec<Evaluated> {
    let own = |name: &str, value: Option<f64>| {
        let metric = Metric {
            name: name.into(),
            value: Some(value?),
            protocol: String::new(),
            split: String::new(),
            images: 0,
            skipped: 0,
        };
        Some(Evaluated { evaluator: RUN.into(), digest: None, probe_data: None, metric, set: Vec::new() })
    };
    let mut lines = run.measurements.clone();
    if run.finished() {
        let memory = run.record.as_ref().and_then(|record| record.peak_memory_bytes);
        lines.extend(own("effective_rank", run.training.last_rank()));
        lines.extend(own("seconds", run.seconds()));
        lines.extend(own("peak_memory_bytes", memory.map(|bytes| bytes as f64)));
    }
    lines
}
