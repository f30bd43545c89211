//! Runs the real `univip` command in directories of its own.

#![allow(dead_code, reason = "each test binary uses some of it")]

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::Duration;

/// A row that uses every part of the method, at the smallest scale.
pub const ROW: [&str; 6] = ["ablate", "table7", "--row", "e", "--scale", "smoke"];

/// Steps enough to be interrupted, without periodic checkpoints: only an interruption writes one.
pub const LATE: [&str; 6] =
    ["--set", "train.epochs=6", "--set", "train.checkpoint_every=1000", "--set", "evaluators.use=[\"knn\"]"];

/// The command, in an environment that sets nothing of a recipe.
pub fn univip(arguments: &[&str], runs: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_univip"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("UNIVIP_")) {
        command.env_remove(name);
    }
    command.args(arguments);
    if arguments.first().is_some_and(|first| ["ablate", "run"].contains(first)) {
        command.arg("--runs").arg(runs);
        // One after another, so that a test knows which run is being made.
        if !arguments.contains(&"--jobs") {
            command.args(["--jobs", "1"]);
        }
    }
    command
}

/// Runs to the end.
pub fn output(arguments: &[&str], runs: &Path) -> Result<Output> {
    univip(arguments, runs).output().context("starting univip")
}

/// Runs to the end, which must be a good one; standard output.
pub fn stdout(arguments: &[&str], runs: &Path) -> Result<String> {
    let output = output(arguments, runs)?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Copies a directory with all that is in it.
pub fn copy_directory(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, goal) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_directory(&source, &goal)?;
        } else {
            fs::copy(&source, &goal)?;
        }
    }
    Ok(())
}

/// The run directory whose name begins with `name`.
pub fn run_directory(runs: &Path, name: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(runs)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|found| found.to_string_lossy().starts_with(name)) {
            return Ok(path);
        }
    }
    anyhow::bail!("no run {name} in {}", runs.display())
}

/// The bytes of the newest checkpoint: parameters, running statistics, target, optimiser, progress.
pub fn last_checkpoint(run: &Path) -> Result<Vec<u8>> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(run.join("checkpoints"))?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|end| end == "safetensors"));
    files.sort();
    let newest = files.last().context("no checkpoint")?;
    Ok(fs::read(newest)?)
}

/// The measured numbers, as text.
pub fn evaluations(run: &Path) -> Result<String> {
    Ok(fs::read_to_string(run.join("evaluations.jsonl"))?)
}

/// Waits until one of the runs in `runs`, by their names, has done some steps.
pub fn wait_for_steps(runs: &Path, names: &[&str], child: &mut Child) -> Result<()> {
    let steps = |name: &&str| -> Option<usize> {
        let text = fs::read_to_string(run_directory(runs, name).ok()?.join("metrics.jsonl")).ok()?;
        Some(text.lines().filter(|line| line.contains("\"event\":\"step\"")).count())
    };
    while !names.iter().filter_map(steps).any(|steps| steps >= 2) {
        ensure!(child.try_wait()?.is_none(), "it ended before it could be asked to stop");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Sends a signal to a process.
#[cfg(unix)]
pub fn send(signal: libc::c_int, child: &Child) -> Result<()> {
    let process = libc::pid_t::try_from(child.id())?;
    // SAFETY: the signal is for a process that was started here and is not waited for yet.
    ensure!(unsafe { libc::kill(process, signal) } == 0, "no signal was sent");
    Ok(())
}
