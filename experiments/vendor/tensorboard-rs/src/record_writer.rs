//! TFRecord: a length, its checksum, the bytes, their checksum.

use crate::masked_crc32c::masked_crc32c;
use std::io::{Result, Write};

/// Writes records.
pub struct RecordWriter<W: Write> {
    writer: W,
}

impl<W: Write> RecordWriter<W> {
    /// Writes to `writer`.
    pub fn new(writer: W) -> Self {
        Self { writer }
    }

    /// Writes one record in one piece, so that a reader hardly ever sees a part of it.
    ///
    /// # Errors
    /// As the writer has them.
    pub fn write(&mut self, data: &[u8]) -> Result<()> {
        let length = (data.len() as u64).to_le_bytes();
        let mut record = Vec::with_capacity(data.len() + 16);
        record.extend(length);
        record.extend(masked_crc32c(&length).to_le_bytes());
        record.extend(data);
        record.extend(masked_crc32c(data).to_le_bytes());
        self.writer.write_all(&record)
    }

    /// Hands everything to the system.
    ///
    /// # Errors
    /// As the writer has them.
    pub fn flush(&mut self) -> Result<()> {
        self.writer.flush()
    }
}
