//! The observers of a run: the JSON lines that reports read, tensorboard's mirror of them, and bars or lines for people.

mod bars;
mod canvas;
mod heard;
mod json_lines;
mod lines_backward;
mod log;
mod pace;
mod progress;
mod task;
mod tensorboard;
mod training_bars;

pub use bars::Bars;
pub use heard::Heard;
pub use progress::Progress;
pub use task::Task;

use anyhow::Result;
use json_lines::JsonLines;
use std::path::Path;
use tensorboard::Tensorboard;
use univip_core::event::{Event, Observer};
use univip_run_format::METRICS;

/// All observers of a run that has a directory.
pub struct Observers {
    lines: JsonLines,
    tensorboard: Tensorboard,
    progress: Progress,
}

impl Observers {
    /// Writes into `directory`, and shows `progress`.
    pub fn new(directory: &Path, progress: Progress) -> Self {
        let lines = JsonLines::new(&directory.join(METRICS));
        Self { lines, tensorboard: Tensorboard::new(directory), progress }
    }

    fn pass_on(&mut self, event: &Event) -> Result<()> {
        self.lines.observe(event)?;
        self.progress.observe(event)
    }
}

impl Observer for Observers {
    fn observe(&mut self, event: &Event) -> Result<()> {
        self.pass_on(event)?;
        let warnings = [self.lines.take_warning(), self.tensorboard.mirror(event)];
        warnings.into_iter().flatten().try_for_each(|message| self.pass_on(&Event::Warning { message }))
    }

    fn sync(&mut self) -> Result<()> {
        self.lines.sync()
    }
}
