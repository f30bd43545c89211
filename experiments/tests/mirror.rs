//! Tensorboard's file is a mirror: a run whose mirror cannot be written goes on without it.
#![cfg(target_os = "linux")]

mod common;

use anyhow::{Result, ensure};
use common::{ROW, evaluations, run_directory, stdout, univip};
use std::path::Path;
use std::process::Command;

/// Compiles the library that simulates a full disk for some files, with `cc`, which Rust links with as well.
fn full_disk(directory: &Path) -> Result<std::path::PathBuf> {
    let library = directory.join("full_disk.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/full_disk.c");
    let status =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).args([source, "-ldl"]).status()?;
    ensure!(status.success(), "cc does not compile {source}");
    Ok(library)
}

#[test]
fn a_mirror_that_cannot_be_written_costs_one_warning() -> Result<()> {
    let place = tempfile::tempdir()?;
    let library = full_disk(place.path())?;
    let whole = place.path().join("whole");
    let arguments = [&ROW[..], &["--set", "evaluators.use=[\"knn\"]"]].concat();
    stdout(&arguments, &whole)?;
    let expected = evaluations(&run_directory(&whole, "table7-e")?)?;
    // Its first record, one in the first step, one much later.
    for after in ["1", "4", "60"] {
        let runs = place.path().join(after);
        let mut command = univip(&arguments, &runs);
        command.env("LD_PRELOAD", &library).env("FULL_FOR", "tfevents").env("FULL_AFTER", after);
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "after {after}: {}: {said}", output.status);
        let warnings =
            said.lines().filter(|line| line.contains("table7-e") && line.contains("tensorboard's file"));
        ensure!(warnings.count() == 1, "after {after}: {said}");
        ensure!(said.contains("No space left on device") && !said.contains("panic"), "after {after}: {said}");
        let run = run_directory(&runs, "table7-e")?;
        ensure!(std::fs::read_to_string(run.join("run.json"))?.contains("\"finished\""), "after {after}");
        ensure!(evaluations(&run)? == expected, "after {after}: other numbers");
    }
    Ok(())
}
