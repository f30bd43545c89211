//! What watches a run: the JSON lines that reports read, tensorboard's mirror of them, progress bars.

mod json_lines;
mod lines_backward;
mod progress;
mod tensorboard;

pub use json_lines::JsonLines;
pub use progress::{Bars, Progress};
pub use tensorboard::Tensorboard;

use anyhow::Result;
use univip_core::event::{Event, Observer};

/// Passes each event to the lines of `metrics.jsonl`, and then to the others, in order.
pub struct Observers {
    /// The source of truth: what cannot be written there reaches no one else.
    pub lines: JsonLines,
    /// The others.
    pub others: Vec<Box<dyn Observer>>,
}

impl Observer for Observers {
    fn observe(&mut self, event: &Event) -> Result<()> {
        self.lines.observe(event)?;
        self.others.iter_mut().try_for_each(|observer| observer.observe(event))?;
        match self.lines.take_warning() {
            Some(message) => self.observe(&Event::Warning { message }),
            None => Ok(()),
        }
    }

    fn sync(&mut self) -> Result<()> {
        self.lines.sync()?;
        self.others.iter_mut().try_for_each(|observer| observer.sync())
    }
}
