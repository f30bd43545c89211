//! A mirror of the numbers for tensorboard.

use anyhow::Result;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use tensorboard_rs::summary_writer::SummaryWriter;
use univip_core::event::{Event, Observer};

/// Writes scalars into a run directory, one writer a directory: two that open in the same second would
/// write over each other.
pub struct Tensorboard {
    directory: PathBuf,
    writer: Option<SummaryWriter>,
    last_step: u64,
}

impl Tensorboard {
    /// Writes below `directory` from the first event on.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_path_buf(), writer: None, last_step: 0 }
    }

    fn add(&mut self, values: &[(String, f32)], step: u64) {
        let Some(mut writer) = self.writer.take() else { return };
        // The library panics when it cannot write. It is only a mirror: the run goes on without it, and
        // `metrics.jsonl` reports a full disk properly.
        let written = catch_unwind(AssertUnwindSafe(|| {
            for (tag, value) in values {
                writer.add_scalar(tag, *value, step as usize);
            }
            writer
        }));
        self.writer = written.ok();
    }
}

impl Observer for Tensorboard {
    fn observe(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Start { .. } => {
                let opened = catch_unwind(|| SummaryWriter::new(&self.directory));
                self.writer = opened.ok();
            }
            Event::Step { step, total, terms, lr, momentum, .. } => {
                self.last_step = *step;
                let mut values = vec![
                    ("loss/total".to_string(), *total),
                    ("rate/lr".to_string(), *lr as f32),
                    ("rate/momentum".to_string(), *momentum as f32),
                ];
                values.extend(terms.iter().map(|(name, value)| (format!("loss/{name}"), *value)));
                self.add(&values, *step);
            }
            Event::Epoch { effective_rank, .. } => {
                self.add(&[("features/effective_rank".to_string(), *effective_rank)], self.last_step);
            }
            Event::Evaluation { evaluator, metric, .. } => {
                self.add(&[(format!("{evaluator}/{}", metric.name), metric.value as f32)], self.last_step);
            }
            Event::Checkpoint { .. } => {
                if let Some(writer) = &mut self.writer {
                    let flushed = catch_unwind(AssertUnwindSafe(|| writer.flush()));
                    if flushed.is_err() {
                        self.writer = None;
                    }
                }
            }
            Event::Progress { .. } | Event::Warning { .. } => {}
        }
        Ok(())
    }
}
