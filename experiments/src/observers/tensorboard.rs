//! A mirror of the numbers for TensorBoard.

use std::io;
use std::path::{Path, PathBuf};
use tensorboard_rs::SummaryWriter;
use univip_core::event::Event;

/// Writes scalars into a run directory. It is only a mirror: when it cannot be written it ends, and the run goes on without it.
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

    /// Mirrors an event; the warning to give when the mirror ends with it.
    pub fn mirror(&mut self, event: &Event) -> Option<String> {
        let error = self.write(event).err()?;
        self.writer = None;
        Some(format!(
            "tensorboard's file in {} cannot be written and ends here ({error}); metrics.jsonl has every number",
            self.directory.display()
        ))
    }

    fn write(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Start { .. } => self.writer = Some(SummaryWriter::new(&self.directory)?),
            Event::Step { step, total, terms, lr, momentum, .. } => {
                self.last_step = *step;
                self.add("loss/total", *total)?;
                self.add("rate/lr", *lr as f32)?;
                self.add("rate/momentum", *momentum as f32)?;
                for (name, value) in terms {
                    self.add(&format!("loss/{name}"), *value)?;
                }
            }
            Event::Epoch { effective_rank, .. } => self.add("features/effective_rank", *effective_rank)?,
            Event::Evaluation { evaluator, metric, .. } => {
                self.add(&format!("{evaluator}/{}", metric.name), metric.value as f32)?;
            }
            Event::Checkpoint { .. } => self.writer.as_mut().map_or(Ok(()), SummaryWriter::flush)?,
            Event::Progress { .. } | Event::Warning { .. } => {}
        }
        Ok(())
    }

    fn add(&mut self, tag: &str, value: f32) -> io::Result<()> {
        self.writer.as_mut().map_or(Ok(()), |writer| writer.add_scalar(tag, value, self.last_step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After the mirror has ended, later events of the run do not begin its file again.
    #[test]
    fn what_cannot_be_written_is_said_once() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut mirror = Tensorboard::new(&file.path().join("below-a-file"));
        let start = Event::Start { step: 0, steps: 4, steps_per_epoch: 2, batch: 8 };
        let epoch = Event::Epoch {
            epoch: 0,
            effective_rank: 2.0,
            explained_variance: vec![],
            total: 1.0,
            skipped: 0,
        };
        let warnings: Vec<String> =
            [&start, &epoch, &epoch].into_iter().filter_map(|event| mirror.mirror(event)).collect();
        assert!(matches!(&warnings[..], [one] if one.contains("below-a-file")), "{warnings:?}");
    }
}
