//! A disk that is full or that loses bytes costs nothing that was finished.
#![cfg(unix)]

mod common;

use anyhow::{Context, Result, ensure};
use common::{ROW, evaluations, last_checkpoint, run_directory, stdout, univip};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn bits(runs: &Path) -> Result<(Vec<u8>, String)> {
    let run = run_directory(runs, "table7-e")?;
    Ok((last_checkpoint(&run)?, evaluations(&run)?))
}

/// The checkpoints of a run, oldest first.
fn checkpoints(runs: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(run_directory(runs, "table7-e")?.join("checkpoints"))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    Ok(paths)
}

/// Marks a finished run as one that was interrupted in its training.
fn reopen(run: &Path) -> Result<()> {
    let record = run.join("run.json");
    let text = fs::read_to_string(&record)?.replace("\"finished\"", "\"interrupted\"");
    Ok(fs::write(&record, text.replace("\"trained\": true", "\"trained\": false"))?)
}

#[test]
fn a_full_disk_is_said_and_the_run_goes_on_when_there_is_room() -> Result<()> {
    let whole = tempfile::tempdir()?;
    stdout(&ROW, whole.path())?;
    let runs = tempfile::tempdir()?;
    // No file may grow beyond 64 KiB (in units of 512 bytes): a checkpoint does not fit.
    let command = univip(&ROW, runs.path());
    let full = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 128; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&full.stderr);
    ensure!(full.status.code() == Some(1), "exit code {:?}: {said}", full.status.code());
    ensure!(said.contains("step-") && said.contains("is the disk full"), "{said}");
    ensure!(checkpoints(runs.path())?.is_empty(), "half a checkpoint was left");
    let unfinished = run_directory(runs.path(), "table7-e")?.join(".run.json.1.0.tmp");
    fs::write(&unfinished, "what a killed process left")?;
    stdout(&ROW, runs.path())?;
    ensure!(bits(whole.path())? == bits(runs.path())?, "the run ended in other bits");
    ensure!(!unfinished.exists(), "an unfinished file was left");
    Ok(())
}

#[test]
fn a_checkpoint_cut_short_is_named_and_the_one_before_is_used() -> Result<()> {
    let runs = tempfile::tempdir()?;
    stdout(&ROW, runs.path())?;
    let expected = bits(runs.path())?;
    let newest = checkpoints(runs.path())?.pop().context("no checkpoint")?;
    let name = newest.file_name().context("a name")?.to_string_lossy().into_owned();
    let bytes = fs::read(&newest)?;
    for damage in [&bytes[..bytes.len() / 2], &bytes[..5], b""] {
        fs::write(&newest, damage)?;
        let run = run_directory(runs.path(), "table7-e")?;
        reopen(&run)?;
        fs::remove_file(run.join("evaluations.jsonl"))?;
        let resumed = univip(&ROW, runs.path()).output()?;
        let said = String::from_utf8_lossy(&resumed.stderr);
        ensure!(resumed.status.success(), "{said}");
        ensure!(said.contains(&name) && said.contains("trying the one before"), "{said}");
        ensure!(bits(runs.path())? == expected, "the run ended in other bits");
    }
    Ok(())
}

#[test]
fn a_changed_recipe_never_goes_on_from_an_old_checkpoint() -> Result<()> {
    let runs = tempfile::tempdir()?;
    stdout(&ROW, runs.path())?;
    let changed = [&ROW[..], &["--set", "optimizer.lr=0.3"]].concat();
    stdout(&changed, runs.path())?;
    let mut found: Vec<PathBuf> =
        fs::read_dir(runs.path())?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    found.retain(|path| path.join("run.json").exists() && path.to_string_lossy().contains("table7-e"));
    ensure!(found.len() == 2, "each recipe has a run of its own: {found:?}");
    // One run gets the other's checkpoints.
    let [one, other] = [&found[0], &found[1]];
    fs::remove_dir_all(one.join("checkpoints"))?;
    fs::create_dir(one.join("checkpoints"))?;
    for entry in fs::read_dir(other.join("checkpoints"))? {
        let entry = entry?;
        fs::copy(entry.path(), one.join("checkpoints").join(entry.file_name()))?;
    }
    reopen(one)?;
    reopen(other)?;
    let mut refusals = Vec::new();
    for arguments in [&ROW[..], &changed[..]] {
        let output = univip(arguments, runs.path()).output()?;
        refusals.push((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let refused =
        refusals.iter().filter(|(code, said)| *code == Some(1) && said.contains("a changed recipe"));
    ensure!(refused.count() == 1, "{refusals:?}");
    Ok(())
}
