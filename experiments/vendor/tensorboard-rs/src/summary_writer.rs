//! The functions that a program calls.

use crate::event::Event;
use crate::event_file_writer::{EventFileWriter, now};
use std::io::Result;
use std::path::Path;

/// Writes numbers into a new event file of a directory.
pub struct SummaryWriter {
    writer: EventFileWriter,
}

impl SummaryWriter {
    /// Makes the file, and the directory if need be.
    ///
    /// # Errors
    /// When either cannot be made or written.
    pub fn new(directory: impl AsRef<Path>) -> Result<Self> {
        Ok(Self { writer: EventFileWriter::new(directory.as_ref())? })
    }

    /// Writes a number of a step.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add_scalar(&mut self, tag: &str, value: f32, step: u64) -> Result<()> {
        self.writer.add(&Event::scalar(now(), step, tag, value))
    }

    /// Hands everything to the system.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        self.writer.flush()
    }
}
