//! `metrics.jsonl`: one event a line, the source of truth for reports.

use anyhow::{Context, Result};
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use univip_core::event::{Event, Observer};
use univip_core::files::write_atomic;

/// Appends training events to a file. A resumed run first drops what it is about to do again.
pub struct JsonLines {
    path: PathBuf,
    file: Option<File>,
}

impl JsonLines {
    /// Writes to `path`, which may hold the lines of an interrupted run.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), file: None }
    }

    fn append(&mut self, event: &Event) -> Result<()> {
        let writing = || format!("writing {} (is the disk full?)", self.path.display());
        let mut line = serde_json::to_string(event)?;
        line.push('\n');
        let mut file = match self.file.take() {
            Some(file) => file,
            None => OpenOptions::new().create(true).append(true).open(&self.path).with_context(writing)?,
        };
        file.write_all(line.as_bytes()).with_context(writing)?;
        self.file = Some(file);
        Ok(())
    }
}

impl Observer for JsonLines {
    fn observe(&mut self, event: &Event) -> Result<()> {
        match event {
            // Evaluations of the trained backbone have a file of their own, and passing progress is not a fact about
            // the run.
            Event::Progress { .. } | Event::Evaluation { epoch: None, .. } => Ok(()),
            Event::Start { step, steps_per_epoch, .. } => {
                self.file = None;
                keep_before(&self.path, *step, *steps_per_epoch)?;
                self.append(event)
            }
            _ => self.append(event),
        }
    }
}

/// Drops the lines of steps from `step` on, and a last line that a kill cut short.
fn keep_before(path: &Path, step: u64, steps_per_epoch: u64) -> Result<()> {
    let text = match std::fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    let before = |line: &&str| {
        let Ok(event) = serde_json::from_str::<Value>(line) else { return false };
        let number = |key: &str| event.get(key).and_then(Value::as_u64);
        match event.get("event").and_then(Value::as_str) {
            Some("step") => number("step").is_some_and(|done| done < step),
            Some("epoch" | "evaluation") => {
                number("epoch").is_some_and(|epoch| (epoch + 1) * steps_per_epoch <= step)
            }
            Some("checkpoint") => number("step").is_some_and(|done| done <= step),
            _ => true,
        }
    };
    let kept: String = text.lines().filter(before).flat_map(|line| [line, "\n"]).collect();
    write_atomic(path, kept.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn step(step: u64) -> Event {
        let terms = BTreeMap::new();
        Event::Step { step, epoch: 0, total: 1.0, terms, lr: 0.1, momentum: 0.9, seconds: 0.0, waited: 0.0 }
    }

    #[test]
    fn a_resumed_run_has_each_step_once() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("metrics.jsonl");
        let start = |step| Event::Start { step, steps: 4, steps_per_epoch: 2, batch: 8 };
        let epoch = |epoch| Event::Epoch { epoch, effective_rank: 2.0, total: 1.0, skipped: 0 };
        let mut first = JsonLines::new(&path);
        for event in
            [start(0), step(0), step(1), epoch(0), Event::Checkpoint { step: 2 }, step(2), step(3), epoch(1)]
        {
            first.observe(&event)?;
        }
        drop(first);
        OpenOptions::new().append(true).open(&path)?.write_all(b"{\"event\":\"st")?;
        let mut second = JsonLines::new(&path);
        for event in [start(2), step(2), step(3), epoch(1)] {
            second.observe(&event)?;
        }
        let text = std::fs::read_to_string(&path)?;
        let tags: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let steps: Vec<_> =
            tags.iter().filter(|e| e["event"] == "step").map(|e| e["step"].as_u64()).collect();
        assert_eq!(steps, [Some(0), Some(1), Some(2), Some(3)]);
        let epochs: Vec<_> =
            tags.iter().filter(|e| e["event"] == "epoch").map(|e| e["epoch"].as_u64()).collect();
        assert_eq!(epochs, [Some(0), Some(1)]);
        Ok(())
    }
}
