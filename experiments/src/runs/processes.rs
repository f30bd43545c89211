//! Runs at the same time, each in a process of its own, with its share of the threads and its own memory.

use super::job::Job;
use crate::observers::{Bars, Heard};
use crate::system::child;
use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The options by which a process is told the one run that it makes, and that its lines are for a terminal.
pub const ONLY: &str = "--only-run=";
pub const LIVE: &str = "--live-lines";

/// The name of a run by which a process of this command finds it in its own plan. It finds none where a recipe has changed meanwhile.
pub fn only(job: &Job<'_>) -> String {
    format!("{}-s{}", job.recipe.fingerprint(), job.seed)
}

/// Processes that make runs of this command's plan.
pub struct Processes<'a> {
    bars: &'a Bars,
    /// Threads of each.
    threads: usize,
    running: Vec<Running>,
    /// They have been asked to stop.
    stopping: bool,
}

struct Running {
    name: String,
    child: Child,
    /// Shows what it says.
    listener: JoinHandle<()>,
}

impl<'a> Processes<'a> {
    /// None yet; each will have so many threads.
    pub fn new(bars: &'a Bars, threads: usize) -> Self {
        Self { bars, threads, running: Vec::new(), stopping: false }
    }

    /// The number of those that run.
    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// The runs that they make, by name.
    pub fn running(&self) -> Vec<&str> {
        self.running.iter().map(|running| running.name.as_str()).collect()
    }

    /// Starts one for a run, with the arguments of this command.
    ///
    /// # Errors
    /// When the system has no room for it.
    pub fn start(&mut self, job: &Job<'_>) -> Result<()> {
        let name = job.title();
        let starting = || format!("starting a process for {name}");
        let mut command = Command::new(std::env::current_exe().with_context(starting)?);
        command.args(std::env::args_os().skip(1)).arg(format!("{ONLY}{}", only(job)));
        command.args(self.bars.are_drawn().then_some(LIVE));
        command.env("RAYON_NUM_THREADS", self.threads.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        child::ends_with_its_parent(&mut command);
        let mut child = command.spawn().with_context(starting)?;
        let (said, heard) = (child.stderr.take(), self.bars.heard(&name));
        let listen = move || listen(said, heard);
        match thread::Builder::new().name("heard".into()).spawn(listen) {
            Ok(listener) => self.running.push(Running { name, child, listener }),
            Err(error) => {
                // Nobody would hear of its run. What it has on disk is whole, as after any kill.
                child.kill().and_then(|()| child.wait()).with_context(starting)?;
                return Err(error).with_context(starting);
            }
        }
        Ok(())
    }

    /// Waits until one has ended: its run's name, and how it ended where the system tells. Asks all to stop when `stop` is set. To be
    /// called while there is one.
    pub fn wait(&mut self, stop: &AtomicBool) -> (String, Result<ExitStatus>) {
        const PAUSE: Duration = Duration::from_millis(20);
        loop {
            if stop.load(Ordering::Relaxed) && !self.stopping {
                self.stopping = true;
                self.running.iter().for_each(|running| child::ask_to_stop(&running.child));
            }
            for place in 0..self.running.len() {
                if let Some(ended) = self.running[place].child.try_wait().transpose() {
                    let Running { name, listener, .. } = self.running.remove(place);
                    // It ends with the process, and has shown all that was said.
                    let _ = listener.join();
                    return (name, ended.context("waiting for its process"));
                }
            }
            thread::sleep(PAUSE);
        }
    }
}

/// Shows each line until the process ends.
fn listen(said: Option<impl Read>, mut heard: Heard) {
    let mut lines = said.map(BufReader::new);
    let mut line = Vec::new();
    while lines.as_mut().is_some_and(|lines| lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0)) {
        heard.line(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    heard.end();
}
