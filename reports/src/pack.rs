//! From run directories to a results file: what a report shows, without networks and checkpoints.

use crate::read::folder::Folder;
use crate::read::plan::read_plans;
use crate::read::results_file::ResultsFile;
use crate::read::run::read_runs;
use crate::show::files;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use univip_run_format::{EVALUATIONS, METRICS, PLANS, Plan, RECIPE, RECORD};
use univip_stdx::counted::counted;

/// About so many steps of each training are kept: enough for its curve.
const STEPS: u64 = 200;

/// Writes the plans under the `roots`, or only those of `table`, and their runs into the results file `out`: records, measured numbers
/// and recipes as they are, of the trainings total losses, thinned, and effective ranks. The answer is one line.
///
/// # Errors
/// When there is no plan or no run, a file cannot be read, or `out` cannot be written.
pub fn pack(roots: &[PathBuf], table: Option<&str>, out: &Path) -> Result<String> {
    let roots = Folder::roots(roots)?;
    let plans = read_plans(&roots, table)?;
    let runs = read_runs(&roots, &plans.iter().flat_map(Plan::fingerprints).collect())?;
    ensure!(!runs.is_empty(), "none of the planned runs is there: there is nothing to pack");
    let mut results = ResultsFile::default();
    for (number, plan) in plans.iter().enumerate() {
        // Several roots may have files of one name.
        let file = format!("{number:03}-{}.json", plan.table);
        results.add(PLANS, &file, serde_json::to_string_pretty(plan)?);
    }
    for run in &runs {
        add_run(&mut results, &run.folder)?;
    }
    let bytes = results.bytes()?;
    files::write(out, &bytes)?;
    let tables: BTreeSet<&str> = plans.iter().map(|plan| plan.table.as_str()).collect();
    let (names, kilobytes) = (Vec::from_iter(tables).join(", "), bytes.len().div_ceil(1000));
    Ok(format!("{}: {} of {names}, {kilobytes} kB\n", out.display(), counted(runs.len(), "run[|s]")))
}

fn add_run(results: &mut ResultsFile, run: &Folder) -> Result<()> {
    let shown = run.path().display();
    let name = run.name();
    ensure!(!name.is_empty(), "{shown}: its name is not UTF-8; rename it");
    for file in [RECORD, EVALUATIONS, RECIPE, METRICS] {
        let text = match run.read_text(file) {
            // A report says that it is missing.
            Err(error) if error.downcast_ref().is_some_and(is_missing) => continue,
            text => text?,
        };
        results.add(name, file, if file == METRICS { thinned(&text) } else { text });
    }
    Ok(())
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
}

/// The lines of `metrics.jsonl` with about [`STEPS`] steps, of which those that end an epoch are. Of a step it keeps what a curve
/// needs; what is no step, or damaged, stays as it is.
fn thinned(text: &str) -> String {
    let (mut kept, mut stride, mut passed) = (String::new(), 1, None);
    for line in text.split_inclusive('\n') {
        let event: Value = serde_json::from_str(line).unwrap_or_default();
        match (event["event"].as_str(), event["step"].as_u64()) {
            (Some("step"), Some(step)) => {
                let total = &event["total"];
                let short = format!("{}\n", json!({"event": "step", "step": step, "total": total}));
                passed = (step % stride != 0).then(|| short.clone());
                if passed.is_none() {
                    kept += &short;
                }
            }
            (kind, _) => {
                if kind == Some("start") {
                    stride = event["steps"].as_u64().map_or(1, |steps| steps.div_ceil(STEPS)).max(1);
                }
                kept.extend(passed.take());
                kept += line;
            }
        }
    }
    kept.extend(passed);
    kept
}
