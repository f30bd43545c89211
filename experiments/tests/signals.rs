//! A run that is asked to stop writes a checkpoint, ends with the exit code that a shell would give, and resumes to the same bits.
#![cfg(unix)]

mod common;

use anyhow::{Context, Result, ensure};
use common::{LATE, ROW, evaluations, run_directory, send, stdout, univip, wait_for_steps};
use libc::{SIGHUP, SIGINT, SIGTERM};
use std::io::{BufRead, BufReader, Error, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

/// A run that only an interruption writes a checkpoint of.
fn late() -> Vec<&'static str> {
    [&ROW[..], &LATE].concat()
}

/// Sends signals to a run that trains, and waits for its end: the exit status and standard error. Of two signals that wait the
/// system makes one, so each is sent when the one before has been heard.
fn interrupted(runs: &Path, signals: &[libc::c_int]) -> Result<(ExitStatus, String)> {
    let mut command = univip(&late(), runs);
    // Below `nohup` this test ignores SIGHUP, and so would the run.
    // SAFETY: `signal` may be called between fork and exec.
    unsafe {
        command.pre_exec(|| match libc::signal(libc::SIGHUP, libc::SIG_DFL) {
            libc::SIG_ERR => Err(Error::last_os_error()),
            _ => Ok(()),
        });
    }
    let mut child = command.stderr(Stdio::piped()).spawn()?;
    wait_for_steps(runs, &["table7-e"], &mut child)?;
    let mut lines = BufReader::new(child.stderr.take().context("no standard error")?);
    let mut said = String::new();
    for signal in signals {
        send(*signal, &child)?;
        while !said.contains("stopping after") {
            ensure!(lines.read_line(&mut said)? > 0, "the signal {signal} was not heard: {said}");
        }
    }
    lines.read_to_string(&mut said)?;
    Ok((child.wait()?, said))
}

#[test]
fn each_signal_has_the_exit_code_of_a_shell_and_the_run_goes_on() -> Result<()> {
    let whole = tempfile::tempdir()?;
    stdout(&late(), whole.path())?;
    let expected = evaluations(&run_directory(whole.path(), "table7-e")?)?;
    // A job scheduler may send its signal to the process group and again to each process.
    for (signals, code) in [(vec![SIGINT], 130), (vec![SIGTERM, SIGTERM], 143), (vec![SIGHUP], 129)] {
        let runs = tempfile::tempdir()?;
        let (status, said) = interrupted(runs.path(), &signals)?;
        ensure!(status.code() == Some(code), "{signals:?}: {status}: {said}");
        ensure!(said.contains("a checkpoint is written"), "{signals:?}: {said}");
        let last = said.lines().last().unwrap_or_default();
        ensure!(
            last.starts_with("table7: 1 of 2 runs finished") && last.contains("results are in"),
            "{last}"
        );
        let run = run_directory(runs.path(), "table7-e")?;
        ensure!(std::fs::read_to_string(run.join("run.json"))?.contains("\"interrupted\""), "{signals:?}");
        stdout(&late(), runs.path())?;
        ensure!(evaluations(&run)? == expected, "{signals:?}: other bits");
    }
    Ok(())
}

#[test]
fn a_run_under_nohup_survives_its_terminal() -> Result<()> {
    let runs = tempfile::tempdir()?;
    let command = univip(&late(), runs.path());
    let mut child = Command::new("sh")
        .args(["-c", "trap '' HUP; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args())
        .stderr(Stdio::piped())
        .spawn()?;
    wait_for_steps(runs.path(), &["table7-e"], &mut child)?;
    send(SIGHUP, &child)?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(())
}
