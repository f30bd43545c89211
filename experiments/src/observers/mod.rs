//! What watches a run: the JSON lines that reports read, tensorboard's mirror of them, progress bars.

mod json_lines;
mod progress;
mod tensorboard;

pub use json_lines::JsonLines;
pub use progress::{Bars, Progress};
pub use tensorboard::Tensorboard;

use anyhow::Result;
use univip_core::event::{Event, Observer};

/// Passes each event to several observers, in order.
pub struct Observers(pub Vec<Box<dyn Observer>>);

impl Observer for Observers {
    fn observe(&mut self, event: &Event) -> Result<()> {
        self.0.iter_mut().try_for_each(|observer| observer.observe(event))
    }
}
