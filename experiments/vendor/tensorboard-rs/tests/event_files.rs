//! Event files beside those of TensorBoard's own writer.

use prost::Message;
use std::fs;
use std::io;
use tensorboard_rs::{Event, RecordWriter, SummaryWriter};

#[test]
fn records_are_those_of_tensorboards_own_writer() -> io::Result<()> {
    let events = [
        Event::version(1.5),
        Event::scalar(1_700_000_000.25, 7, "loss/total", -0.3364338),
        Event::scalar(2.0, 0, "zero at step 0", 0.0),
        Event::scalar(3.0, u64::from(u32::MAX) + 5, "überlang/σ", f32::NAN),
    ];
    let mut bytes = Vec::new();
    let mut writer = RecordWriter::new(&mut bytes);
    for event in &events {
        writer.write(&event.encode_to_vec())?;
    }
    let expected = include_bytes!("fixtures/scalars.tfevents");
    assert_eq!(bytes, expected);
    Ok(())
}

#[test]
fn two_writers_of_one_second_have_files_of_their_own() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let below = directory.path().join("made/on/the/way");
    let mut writers = [SummaryWriter::new(&below)?, SummaryWriter::new(&below)?];
    for writer in &mut writers {
        writer.add_scalar("a", 1.0, 0)?;
        writer.flush()?;
    }
    let sizes: Vec<u64> =
        fs::read_dir(&below)?.map(|entry| Ok(entry?.metadata()?.len())).collect::<io::Result<_>>()?;
    assert!(sizes.len() == 2 && sizes[0] == sizes[1] && sizes[0] > 60, "{sizes:?}");
    Ok(())
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error() -> io::Result<()> {
    let file = tempfile::NamedTempFile::new()?;
    assert!(SummaryWriter::new(file.path().join("below")).is_err());
    Ok(())
}
