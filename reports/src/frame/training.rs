//! The course of the trainings: a line for each step.

use super::{counts, names, numbers};
use crate::read::run::Run;
use anyhow::{Context, Result};
use polars::prelude::DataFrame;
use std::collections::{BTreeMap, BTreeSet};

/// A line for each optimiser step of each run: its total loss and, at the last step of an epoch, the epoch, the effective rank of the
/// backbone's features and what was measured during the training, in a column for each evaluator and metric (`knn/top1`).
pub fn training(runs: &[Run]) -> Result<DataFrame> {
    let ends: Vec<BTreeMap<u64, (u64, Option<f64>)>> = runs.iter().map(epochs_by_step).collect();
    let directories: Vec<String> = runs.iter().map(Run::name).collect();
    struct Line<'a> {
        name: &'a str,
        run: &'a Run,
        step: u64,
        loss: Option<f64>,
        end: Option<&'a (u64, Option<f64>)>,
    }
    let lines: Vec<Line<'_>> = runs
        .iter()
        .zip(&ends)
        .zip(&directories)
        .flat_map(|((run, ends), name)| {
            let line = move |(&step, &loss)| Line { name, run, step, loss, end: ends.get(&step) };
            run.training.loss.iter().map(line)
        })
        .collect();
    let mut columns = vec![
        names("run", &lines, |line| line.name),
        names("fingerprint", &lines, |line| &line.run.fingerprint),
        counts("seed", &lines, |line| Some(line.run.seed)),
        counts("step", &lines, |line| Some(line.step)),
        numbers("loss", &lines, |line| line.loss),
        counts("epoch", &lines, |line| line.end.map(|(epoch, _)| *epoch)),
        numbers("effective_rank", &lines, |line| line.end.and_then(|(_, rank)| *rank)),
    ];
    let measured: BTreeSet<&(String, String)> =
        runs.iter().flat_map(|run| run.training.measured.keys()).collect();
    columns.extend(measured.into_iter().map(|key| {
        let value = |line: &Line<'_>| line.run.training.measured.get(key)?.get(&line.step).copied();
        numbers(&format!("{}/{}", key.0, key.1), &lines, value)
    }));
    DataFrame::new(lines.len(), columns).context("making the frame of trainings")
}

/// The epochs of a run by their last step.
fn epochs_by_step(run: &Run) -> BTreeMap<u64, (u64, Option<f64>)> {
    run.training.rank.iter().map(|(&epoch, end)| (end.step, (epoch, end.effective_rank))).collect()
}
