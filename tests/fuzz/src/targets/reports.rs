//! The input of a report: one file of a run mutated, the others right.

use super::{Bound, Opened, Target, workspace};
use crate::mutate::Dialect;
use anyhow::Result;
use std::fs;
use std::path::Path;
use univip_reports::show::text::Width;

/// `run.json`.
pub const RECORD: Target =
    of("run-json", "run.json of a run, in a report", "runs/a-aaaaaaaaaaaa-s0/run.json");

/// `metrics.jsonl`.
pub const METRICS: Target =
    of("metrics-jsonl", "metrics.jsonl of a run, in a report", "runs/a-aaaaaaaaaaaa-s0/metrics.jsonl");

/// `evaluations.jsonl`.
pub const EVALUATIONS: Target = of(
    "evaluations-jsonl",
    "evaluations.jsonl of a run, in a report",
    "runs/a-aaaaaaaaaaaa-s0/evaluations.jsonl",
);

/// The plan of a table.
pub const PLAN: Target = of("plan-json", "the plan of a table, in a report", "runs/plans/table7-small.json");

const fn of(name: &'static str, summary: &'static str, place: &'static str) -> Target {
    Target {
        name,
        summary,
        dialect: Dialect::Text,
        bound: Bound { bytes: 32 << 20, per_byte: 2000 },
        place,
        fixtures: &[],
        prepare,
        planted: false,
    }
}

/// A table of two rows, each with its run.
fn prepare(directory: &Path) -> Result<Opened> {
    let runs = directory.join("runs");
    fs::create_dir_all(runs.join("plans"))?;
    let file = |name: &str| fs::read_to_string(workspace(&format!("tests/fuzz/corpus/{name}")));
    fs::write(runs.join("plans/table7-small.json"), file("plan-json/table7-small.json")?)?;
    for fingerprint in ["aaaaaaaaaaaa", "bbbbbbbbbbbb"] {
        let run = runs.join(format!("{}-{fingerprint}-s0", &fingerprint[..1]));
        fs::create_dir_all(&run)?;
        fs::write(run.join("run.json"), file("run-json/run.json")?.replace("aaaaaaaaaaaa", fingerprint))?;
        fs::write(run.join("metrics.jsonl"), file("metrics-jsonl/metrics.jsonl")?)?;
        fs::write(run.join("evaluations.jsonl"), file("evaluations-jsonl/evaluations.jsonl")?)?;
    }
    let out = directory.join("out");
    Ok(Opened::new(move |_, _| {
        univip_reports::report(std::slice::from_ref(&runs), None, &out, Width::PIPED).map(drop)
    }))
}
