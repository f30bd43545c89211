//! The runs: a line for each, with its times and provenance.

use super::{counts, numbers, texts};
use crate::read::provenance::Provenance;
use crate::read::run::Run;
use anyhow::{Context, Result};
use polars::prelude::{Column, DataFrame};

/// A line for each run, finished or not: its status, its seconds by phase, its memory, and the builds, hosts, times and command that
/// made it.
pub fn runs(runs: &[Run]) -> Result<DataFrame> {
    let provenance = |name: &str, say: fn(Provenance) -> String| -> Column {
        texts(name, runs, |run| {
            run.record.as_ref().map(|record| say(Provenance::of(record))).unwrap_or_default()
        })
    };
    let seconds =
        |name: &str, phase: &str| numbers(name, runs, |run| run.record.as_ref()?.seconds.get(phase).copied());
    let status =
        |run: &Run| run.record.as_ref().map_or("no record", |record| record.status.name()).to_string();
    let columns = vec![
        texts("run", runs, Run::name),
        texts("fingerprint", runs, |run| run.fingerprint.clone()),
        counts("seed", runs, |run| Some(run.seed)),
        texts("status", runs, status),
        seconds("proposals_seconds", "proposals"),
        seconds("train_seconds", "train"),
        seconds("evaluate_seconds", "evaluate"),
        counts("peak_memory_bytes", runs, |run| run.record.as_ref()?.peak_memory_bytes),
        counts("steps", runs, |run| run.record.as_ref().map(|record| record.steps)),
        counts("parameters", runs, |run| run.record.as_ref().map(|record| record.parameters)),
        provenance("builds", |from| from.builds),
        provenance("hosts", |from| from.hosts),
        provenance("started", |from| from.started),
        provenance("ended", |from| from.ended),
        provenance("command", |from| from.command),
        texts("path", runs, |run| run.folder.path().display().to_string()),
    ];
    DataFrame::new(runs.len(), columns).context("making the frame of runs")
}
