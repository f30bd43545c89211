//! One process that works on the run, disturbed or not.

use super::disturbance::{Disturbance, Draw, Fault};
use anyhow::{Context, Result};
#[cfg(unix)]
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

/// What is run, and where.
pub struct Attempt<'a> {
    /// The program.
    pub univip: &'a Path,
    /// The library of faults, if there is one.
    pub shim: Option<&'a Path>,
    /// The directory of runs.
    pub runs: &'a Path,
}

/// How a process ended and what it said.
pub struct Said {
    /// How it ended.
    pub outcome: Outcome,
    /// Its standard error.
    pub stderr: String,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With exit code 0.
    Finished,
    /// With an error that it told.
    Refused,
    /// By SIGKILL.
    Killed,
    /// In another way.
    Fell,
}

/// A run of every part of the method with many checkpoints, and the untrained backbone before it.
const RUN: [&str; 12] = [
    "ablate",
    "table7",
    "--row",
    "e",
    "--scale",
    "smoke",
    "--set",
    "train.epochs=4",
    "--set",
    "train.checkpoint_every=2",
    "--set",
    "evaluators.use=[\"knn\"]",
];

impl Attempt<'_> {
    /// Runs to the end and logs the file operations.
    pub fn undisturbed(&self, log: &Path) -> Result<Said> {
        let mut command = self.command(1, 2);
        if self.shim.is_some() {
            command.env("FAULT_COUNT", log);
        }
        finish(command)
    }

    /// Runs with any number of workers and threads, undisturbed.
    pub fn in_peace(&self, draw: &mut Draw) -> Result<Said> {
        let mut command = self.command(1 + draw.below(4), 1 + draw.below(3));
        command.env_remove("LD_PRELOAD");
        finish(command)
    }

    /// Runs with any number of workers and threads, and disturbs it.
    pub fn disturbed(&self, disturbance: &Disturbance, draw: &mut Draw) -> Result<Said> {
        let mut command = self.command(1 + draw.below(4), 1 + draw.below(3));
        let Fault { mode, at, every, short } = match disturbance {
            Disturbance::Fault(fault) => fault,
            Disturbance::KillAfter(pause) => {
                let mut child = command.spawn().context("starting univip")?;
                thread::sleep(*pause);
                // One that has ended cannot be killed.
                let _ = child.kill();
                let output = child.wait_with_output().context("waiting for univip")?;
                return Ok(Said::of(output.status, &output.stderr));
            }
        };
        command.env("FAULT_MODE", mode).env("FAULT_AT", at.to_string());
        for (name, set) in [("FAULT_EVERY", every), ("FAULT_SHORT", short)] {
            if *set {
                command.env(name, "1");
            }
        }
        finish(command)
    }

    fn command(&self, workers: u64, threads: u64) -> Command {
        let mut command = Command::new(self.univip);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("UNIVIP_") {
                command.env_remove(name);
            }
        }
        command.args(RUN).args(["--set", &format!("loader.workers={workers}")]).arg("--runs").arg(self.runs);
        command.env("RAYON_NUM_THREADS", threads.to_string());
        if let Some(shim) = self.shim {
            command.env("LD_PRELOAD", shim).env("FAULT_ROOT", self.runs);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }
}

fn finish(mut command: Command) -> Result<Said> {
    let output = command.output().context("starting univip")?;
    Ok(Said::of(output.status, &output.stderr))
}

impl Said {
    fn of(status: ExitStatus, stderr: &[u8]) -> Self {
        let stderr = String::from_utf8_lossy(stderr).into_owned();
        let told = || stderr.contains("failed: ") || stderr.contains("error: ");
        #[cfg(unix)]
        let killed = status.signal() == Some(libc::SIGKILL);
        #[cfg(not(unix))]
        let killed = false;
        let outcome = match status.code() {
            Some(0) => Outcome::Finished,
            Some(1 | 2) if told() => Outcome::Refused,
            _ if killed => Outcome::Killed,
            _ => Outcome::Fell,
        };
        Self { outcome, stderr }
    }

    /// What no disturbance may lead to: a panic, a silent failure, a damaged file, lines that are missing.
    pub fn problem(&self) -> Option<String> {
        if self.outcome == Outcome::Fell {
            return Some(format!("it fell over:\n{}", self.stderr));
        }
        let bad = ["panicked", "damaged", "not a whole", "has no lines of the steps"];
        let line = self.stderr.lines().find(|line| bad.iter().any(|bad| line.contains(bad)))?;
        Some(line.to_string())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_no_disturbance_may_lead_to_is_told_from_what_it_may() {
        let said = |code: i32, stderr: &str| Said::of(ExitStatus::from_raw(code), stderr.as_bytes());
        let exit = |code: i32| code << 8;
        for (raw, stderr, outcome, is_problem) in [
            (exit(0), "", Outcome::Finished, false),
            (exit(0), "warning: checkpoint x is damaged: y", Outcome::Finished, true),
            (exit(0), "thread 'main' panicked at z", Outcome::Finished, true),
            (
                exit(1),
                "table7-e seed 0: failed: writing x (is the disk full or read-only?)",
                Outcome::Refused,
                false,
            ),
            (exit(1), "", Outcome::Fell, true),
            (exit(101), "thread 'main' panicked", Outcome::Fell, true),
            (libc::SIGKILL, "", Outcome::Killed, false),
            (libc::SIGABRT, "", Outcome::Fell, true),
        ] {
            let said = said(raw, stderr);
            assert_eq!((said.outcome, said.problem().is_some()), (outcome, is_problem), "{raw} {stderr}");
        }
    }
}
