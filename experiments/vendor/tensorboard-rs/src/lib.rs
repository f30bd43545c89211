//! Writes scalars for TensorBoard: a patched copy of tensorboard-rs 0.5.9. `README.md` says what is changed and why.

mod event;
mod event_file_writer;
mod masked_crc32c;
mod record_writer;
mod summary_writer;

pub use event::Event;
pub use record_writer::RecordWriter;
pub use summary_writer::SummaryWriter;
