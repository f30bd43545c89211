//! The same recipe and seed give the same bits, whatever the workers, kills and interruptions.

mod common;

use anyhow::{Context, Result, ensure};
use common::{ROW, evaluations, last_checkpoint, run_directory, stdout, univip};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// Several epochs with a checkpoint at every second step: many moments to be killed in.
const LONGER: [&str; 4] = ["--set", "train.epochs=4", "--set", "train.checkpoint_every=2"];

/// Methods whose losses remember what neither networks nor optimiser have: a queue (two with DenseCL, one that starts late with
/// SwAV, which also turns its prototypes before each step) or a bank.
const WITH_MEMORY: [&str; 5] = ["moco-v1", "moco-v2", "dense-cl", "inst-dis", "swav"];

fn arguments<'a>(extra: &[&'a str]) -> Vec<&'a str> {
    [&ROW[..], &LONGER[..], extra].concat()
}

fn bits(runs: &Path) -> Result<(Vec<u8>, String)> {
    bits_of(runs, "table7-e")
}

fn bits_of(runs: &Path, name: &str) -> Result<(Vec<u8>, String)> {
    let run = run_directory(runs, name)?;
    Ok((last_checkpoint(&run)?, evaluations(&run)?))
}

#[test]
fn workers_and_repetition_do_not_change_a_bit() -> Result<()> {
    let mut found = Vec::new();
    for workers in ["loader.workers=1", "loader.workers=2", "loader.workers=3"] {
        let runs = tempfile::tempdir()?;
        stdout(&arguments(&["--set", workers]), runs.path())?;
        found.push(bits(runs.path())?);
    }
    ensure!(found[0] == found[1], "1 and 2 workers differ");
    ensure!(found[0] == found[2], "1 and 3 workers differ");
    Ok(())
}

#[test]
fn another_seed_gives_other_bits() -> Result<()> {
    let mut found = Vec::new();
    for seed in ["1", "2"] {
        let runs = tempfile::tempdir()?;
        stdout(&arguments(&["--seeds", seed]), runs.path())?;
        found.push(bits(runs.path())?.0);
    }
    ensure!(found[0] != found[1], "seeds 1 and 2 gave the same bits");
    Ok(())
}

#[test]
fn a_killed_run_ends_in_the_same_bits() -> Result<()> {
    ends_in_the_same_bits(&arguments(&[]), "table7-e")
}

#[test]
fn a_killed_run_of_each_method_with_a_memory_ends_in_the_same_bits() -> Result<()> {
    for name in WITH_MEMORY {
        let row = ["ablate", "methods", "--row", name, "--scale", "smoke"];
        ends_in_the_same_bits(&[&row[..], &LONGER[..]].concat(), &format!("methods-{name}"))
            .with_context(|| name.to_string())?;
    }
    Ok(())
}

/// Runs to the end, and again with many kills.
fn ends_in_the_same_bits(arguments: &[&str], name: &str) -> Result<()> {
    let whole = tempfile::tempdir()?;
    stdout(arguments, whole.path())?;
    let killed = tempfile::tempdir()?;
    let mut kills = 0;
    // Kills at growing moments, so that they fall into proposals, steps, checkpoints and evaluation.
    for pause in (50..).step_by(90) {
        let mut child = univip(arguments, killed.path()).stderr(Stdio::null()).spawn()?;
        std::thread::sleep(Duration::from_millis(pause));
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "a resumed run failed");
            break;
        }
        child.kill()?;
        child.wait()?;
        kills += 1;
    }
    ensure!(kills > 2, "the run was over before it could be killed ({kills} kills)");
    ensure!(
        bits_of(whole.path(), name)? == bits_of(killed.path(), name)?,
        "a killed run ended in other bits"
    );
    Ok(())
}

#[test]
fn interrupting_writes_a_checkpoint_and_resumes() -> Result<()> {
    let whole = tempfile::tempdir()?;
    stdout(&arguments(&[]), whole.path())?;
    let interrupted = tempfile::tempdir()?;
    // Checkpoints only at the end: what the interruption saves is the only one.
    let late = [&ROW[..], &["--set", "train.epochs=4", "--set", "train.checkpoint_every=1000"]].concat();
    let child = univip(&late, interrupted.path()).stderr(Stdio::piped()).spawn()?;
    let metrics = || -> Option<usize> {
        let run = run_directory(interrupted.path(), "table7-e").ok()?;
        let text = std::fs::read_to_string(run.join("metrics.jsonl")).ok()?;
        Some(text.lines().filter(|line| line.contains("\"event\":\"step\"")).count())
    };
    while metrics().is_none_or(|steps| steps < 2) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status()?;
    ensure!(status.success());
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(130), "exit code {:?}: {said}", output.status.code());
    ensure!(said.contains("a checkpoint is written"), "{said}");
    let run = run_directory(interrupted.path(), "table7-e")?;
    ensure!(std::fs::read_to_string(run.join("run.json"))?.contains("\"interrupted\""));
    stdout(&late, interrupted.path())?;
    // The two recipes differ in when they save, not in what they compute.
    ensure!(evaluations(&run_directory(whole.path(), "table7-e")?)? == evaluations(&run)?);
    Ok(())
}
