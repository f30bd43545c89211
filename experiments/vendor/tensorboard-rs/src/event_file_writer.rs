//! One event file of a directory.

use crate::event::Event;
use crate::record_writer::RecordWriter;
use gethostname::gethostname;
use prost::Message;
use std::fs::{self, File};
use std::io::{ErrorKind, Result};
use std::path::Path;
use std::time::SystemTime;

pub(crate) struct EventFileWriter {
    writer: RecordWriter<File>,
}

impl EventFileWriter {
    /// Makes a new file in `directory`, which is made if need be.
    pub(crate) fn new(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let mut file = Self { writer: RecordWriter::new(create(directory)?) };
        file.add(&Event::version(now()))?;
        Ok(file)
    }

    pub(crate) fn add(&mut self, event: &Event) -> Result<()> {
        self.writer.write(&event.encode_to_vec())
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        self.writer.flush()
    }
}

/// A file that was not there, named as TensorBoard finds it: by second, host and process.
fn create(directory: &Path) -> Result<File> {
    let host = gethostname().to_string_lossy().into_owned();
    let beginning = format!("events.out.tfevents.{:010}.{host}.{}", now() as u64, std::process::id());
    let mut number = 0;
    loop {
        match File::create_new(directory.join(format!("{beginning}.{number}"))) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            created => return created,
        }
    }
}

/// Seconds since 1970; 0 by a clock that is before it.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}
