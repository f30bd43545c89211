//! One process that works on the run, disturbed or not.

use super::disturbance::{Disturbance, Draw, Fault};
use anyhow::{Context, Result};
use std::fs;
use std::io::Read;
#[cfg(unix)]
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A command and its directory.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// The program.
    pub univip: &'a Path,
    /// The library of faults, if there is one.
    pub shim: Option<&'a Path>,
    /// The directory of runs.
    pub runs: &'a Path,
    /// Labelled images, whose contents are looked at, cached and checked.
    pub images: &'a Path,
    /// The file in which the library of faults notes what it has done.
    pub done: &'a Path,
    /// No process takes so long.
    pub limit: Duration,
}

/// The end of a process, and its output.
pub struct Said {
    /// True if the disturbance took place.
    pub happened: bool,
    /// At least one write was made short.
    pub shortened: bool,
    /// Workers and threads.
    pub parallel: (u64, u64),
    /// Its end.
    pub outcome: Outcome,
    /// Its standard error.
    pub stderr: String,
}

/// The end of a process.
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

/// A run of every part of the method with many checkpoints, and the untrained backbone before it: one after the other, since faults are
/// counted by the file operations of one process.
const RUN: [&str; 14] = [
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
    "--jobs",
    "1",
];

impl Attempt<'_> {
    /// Runs to the end and logs the file operations.
    pub fn undisturbed(&self, log: &Path) -> Result<Said> {
        let mut command = self.command((1, 2));
        if self.shim.is_some() {
            command.env("FAULT_COUNT", log);
        }
        self.run(&mut command, None)
    }

    /// Runs with any number of workers and threads, undisturbed.
    pub fn in_peace(&self, draw: &mut Draw) -> Result<Said> {
        let parallel = draw.parallel();
        let mut said = self.run(self.command(parallel).env_remove("LD_PRELOAD"), None)?;
        said.parallel = parallel;
        Ok(said)
    }

    /// Runs with any number of workers and threads, and disturbs it.
    pub fn disturbed(&self, disturbance: &Disturbance, draw: &mut Draw) -> Result<Said> {
        let parallel = draw.parallel();
        let mut command = self.command(parallel);
        let mut said = match disturbance {
            Disturbance::KillAfter(pause) => {
                let mut said = self.run(&mut command, Some(*pause))?;
                said.happened = said.outcome == Outcome::Killed;
                said
            }
            Disturbance::Fault(Fault { mode, at, every, short }) => {
                let _ = fs::remove_file(self.done);
                command.env("FAULT_MODE", mode).env("FAULT_AT", at.to_string()).env("FAULT_DONE", self.done);
                for (name, set) in [("FAULT_EVERY", every), ("FAULT_SHORT", short)] {
                    if *set {
                        command.env(name, "1");
                    }
                }
                let mut said = self.run(&mut command, None)?;
                let done = fs::read_to_string(self.done).unwrap_or_default();
                said.happened = done.lines().any(|line| line.starts_with("fault "));
                said.shortened = done.lines().any(|line| line.starts_with("short "));
                said
            }
        };
        said.parallel = parallel;
        Ok(said)
    }

    fn command(&self, (workers, threads): (u64, u64)) -> Command {
        let mut command = Command::new(self.univip);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("UNIVIP_") {
                command.env_remove(name);
            }
        }
        command.args(RUN).args(["--set", &format!("loader.workers={workers}")]).arg("--runs").arg(self.runs);
        command.arg("--probe-data").arg(format!("image-folder={}", self.images.display()));
        command.env("RAYON_NUM_THREADS", threads.to_string());
        if let Some(shim) = self.shim {
            command.env("LD_PRELOAD", shim).env("FAULT_ROOT", self.runs);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Runs a process until it ends, is killed after a while, or has taken far too long.
    fn run(&self, command: &mut Command, kill_after: Option<Duration>) -> Result<Said> {
        let begin = Instant::now();
        let mut child = command.spawn().context("starting univip")?;
        let mut stderr = child.stderr.take().context("reading what univip says")?;
        let reader = thread::spawn(move || {
            let mut said = Vec::new();
            // Lines that were read before an error are as good as all there are.
            let _ = stderr.read_to_end(&mut said);
            String::from_utf8_lossy(&said).into_owned()
        });
        let limit = kill_after.unwrap_or(self.limit);
        let mut late = false;
        let status = loop {
            if let Some(status) = child.try_wait().context("waiting for univip")? {
                break status;
            }
            let left = limit.saturating_sub(begin.elapsed());
            if left.is_zero() && !late {
                late = true;
                // One that has ended in this moment cannot be killed.
                let _ = child.kill();
            }
            thread::sleep(left.clamp(Duration::from_millis(1), Duration::from_millis(10)));
        };
        let stderr = reader.join().unwrap_or_default();
        if late && kill_after.is_none() {
            return Ok(Said::endless(stderr, self.limit));
        }
        Ok(Said::of(status, stderr))
    }
}

impl Said {
    fn of(status: ExitStatus, stderr: String) -> Self {
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
        Self { happened: false, shortened: false, parallel: (0, 0), outcome, stderr }
    }

    fn endless(stderr: String, limit: Duration) -> Self {
        let stderr = format!("{stderr}\nit still ran after {} s and was killed", limit.as_secs());
        Self { happened: true, shortened: false, parallel: (0, 0), outcome: Outcome::Fell, stderr }
    }

    /// It went on from a checkpoint.
    pub fn resumed(&self) -> bool {
        self.stderr.contains("training goes on at step")
    }

    /// Outcomes that no disturbance may lead to: a panic, a silent failure, a damaged file, missing lines.
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
        let said = |code: i32, stderr: &str| Said::of(ExitStatus::from_raw(code), stderr.into());
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

    #[test]
    fn a_process_that_does_not_end_is_killed_and_a_problem() -> Result<()> {
        let place = tempfile::tempdir()?;
        let path = place.path();
        let limit = Duration::from_millis(200);
        let attempt = Attempt { univip: path, shim: None, runs: path, images: path, done: path, limit };
        let mut sleeps = Command::new("sleep");
        let said = attempt.run(sleeps.arg("60").stderr(Stdio::piped()), None)?;
        assert!(said.problem().is_some_and(|problem| problem.contains("it still ran after")));
        let said = attempt.run(&mut sleeps, Some(limit))?;
        assert_eq!((said.outcome, said.problem()), (Outcome::Killed, None));
        Ok(())
    }
}
