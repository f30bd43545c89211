//! `metrics.jsonl`: one event per line, the source of truth for reports.

use super::lines_backward::LinesBackward;
use crate::stored;
use anyhow::{Context, Result};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use univip_core::event::{Event, Observer};
use univip_core::files::{sync_parent, writing};
use univip_run_format as format;

/// Appends training events to a file. A resumed run first drops what it is about to do again.
pub struct JsonLines {
    path: PathBuf,
    file: Option<File>,
    warning: Option<String>,
}

impl JsonLines {
    /// Writes to `path`, which may hold the lines of an interrupted run.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), file: None, warning: None }
    }

    /// The warning about lines that are missing; once.
    pub fn take_warning(&mut self) -> Option<String> {
        self.warning.take()
    }

    fn append(&mut self, event: &Event) -> Result<()> {
        let Some(event) = stored::event(event) else { return Ok(()) };
        let writing = || writing(&self.path);
        let mut line = serde_json::to_string(&event)?;
        line.push('\n');
        let mut file = match self.file.take() {
            Some(file) => file,
            None => OpenOptions::new().create(true).append(true).open(&self.path).with_context(writing)?,
        };
        file.write_all(line.as_bytes()).with_context(writing)?;
        self.file = Some(file);
        Ok(())
    }

    /// Goes on after the lines of the steps before `step`.
    fn resume(&mut self, step: u64, steps_per_epoch: u64) -> Result<()> {
        self.file = None;
        let last = keep_before(&self.path, Resumed { step, steps_per_epoch })?;
        let next = last.map_or(0, |last| last + 1);
        self.warning = (next < step).then(|| {
            format!(
                "{} has no lines of the steps {next} to {}, which the checkpoint has done: something removed its end; \
                 the training goes on to the same bits, its curves have a gap",
                self.path.display(),
                step - 1
            )
        });
        Ok(())
    }
}

impl Observer for JsonLines {
    fn observe(&mut self, event: &Event) -> Result<()> {
        if let Event::Start { step, steps_per_epoch, .. } = event {
            self.resume(*step, *steps_per_epoch)?;
        }
        self.append(event)
    }

    fn sync(&mut self) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        file.sync_data().with_context(|| writing(&self.path))?;
        sync_parent(&self.path)
    }
}

/// The place at which a run goes on.
#[derive(Clone, Copy)]
struct Resumed {
    step: u64,
    steps_per_epoch: u64,
}

/// The fate of a line of a run that is resumed.
enum Fate {
    /// It is of a step before; so is all that stands before it.
    Done(u64),
    Stays,
    Goes,
}

impl Resumed {
    fn fate(self, line: &[u8]) -> Fate {
        // A line that a kill cut short, or that a crash of the machine left as zeros, is none.
        if line.last() != Some(&b'\n') {
            return Fate::Goes;
        }
        let Ok(event) = serde_json::from_slice::<format::Event>(line) else { return Fate::Goes };
        let ends = |epoch: u64| epoch.saturating_add(1).saturating_mul(self.steps_per_epoch);
        let before = match event {
            format::Event::Step { step, .. } if step < self.step => return Fate::Done(step),
            format::Event::Step { .. } => false,
            format::Event::Epoch { epoch, .. } | format::Event::Evaluation { epoch, .. } => {
                ends(epoch) <= self.step
            }
            format::Event::Checkpoint { step } => step <= self.step,
            _ => true,
        };
        if before { Fate::Stays } else { Fate::Goes }
    }
}

/// Drops the lines of steps that are done again and a last line that was cut short, and returns the last step that is there.
/// Reads from the end, and no more than follows that step: a long run has gigabytes.
fn keep_before(path: &Path, resumed: Resumed) -> Result<Option<u64>> {
    let writing = || writing(path);
    let mut file = match OpenOptions::new().read(true).append(true).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.with_context(writing)?,
    };
    let (mut last, mut cut) = (None, None);
    let (mut after_cut, mut stay) = (Vec::new(), Vec::new());
    for line in LinesBackward::new(path, file.try_clone().with_context(writing)?)? {
        let line = line?;
        match resumed.fate(&line.bytes) {
            Fate::Done(step) => {
                last = Some(step);
                break;
            }
            Fate::Stays => stay.push(line.bytes),
            Fate::Goes => {
                cut = Some(line.start);
                after_cut.append(&mut stay);
            }
        }
    }
    if let Some(cut) = cut {
        after_cut.reverse();
        // The steps of the checkpoint are before the cut: a kill in between costs a warning, and leaves complete lines.
        let kept = file.set_len(cut).and_then(|()| file.write_all(&after_cut.concat()));
        kept.and_then(|()| file.sync_data()).with_context(writing)?;
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
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
        let epoch = |epoch| Event::Epoch {
            epoch,
            effective_rank: 2.0,
            explained_variance: vec![],
            total: 1.0,
            skipped: 0,
        };
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

    /// The steps that a resume from `step` finds missing, if any.
    fn missing(path: &Path, step: u64) -> Result<Option<String>> {
        let mut lines = JsonLines::new(path);
        lines.observe(&Event::Start { step, steps: 9, steps_per_epoch: 3, batch: 8 })?;
        Ok(lines.take_warning())
    }

    #[test]
    fn steps_that_a_checkpoint_claims_and_that_are_not_there_are_named() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("metrics.jsonl");
        assert_eq!(missing(&path, 0)?, None);
        let said = missing(&path, 5)?.unwrap();
        assert!(said.contains("metrics.jsonl has no lines of the steps 0 to 4"), "{said}");
        let mut lines = JsonLines::new(&path);
        (0..3).try_for_each(|number| lines.observe(&step(number)))?;
        lines.sync()?;
        assert_eq!(missing(&path, 3)?, None);
        let said = missing(&path, 5)?.unwrap();
        assert!(said.contains("the steps 3 to 4"), "{said}");
        Ok(())
    }

    /// The lines before the last step are not read: there could be any number of them.
    #[test]
    fn a_resume_reads_the_end_alone_and_keeps_what_people_were_told() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("metrics.jsonl");
        std::fs::write(&path, "not a line that is ever parsed\n")?;
        let warning = |message: &str| Event::Warning { message: message.into() };
        let mut lines = JsonLines::new(&path);
        for event in
            [step(0), step(1), warning("kept"), Event::Checkpoint { step: 2 }, step(2), warning("also kept")]
        {
            lines.observe(&event)?;
        }
        assert_eq!(missing(&path, 2)?, None);
        let text = std::fs::read_to_string(&path)?;
        let tags: Vec<&str> = text.lines().filter_map(|line| line.split('"').nth(3)).collect();
        assert_eq!(tags, ["step", "step", "warning", "checkpoint", "warning", "start"], "{text}");
        assert!(text.starts_with("not a line"), "{text}");
        Ok(())
    }
}
