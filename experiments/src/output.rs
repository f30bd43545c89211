//! The words of a command: its output, and one line at a time on standard error.

use anyhow::{Context, Result};
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use univip_core::printable::{message, printable};

/// Prints `text` on standard output, with its line breaks: a name within it goes through [`printable`] before. A reader that
/// has read enough, such as `head`, is no failure: the work goes on without it.
///
/// # Errors
/// When standard output cannot be written for another reason, such as a full disk.
pub fn print(text: impl Display) -> Result<()> {
    let mut out = io::stdout().lock();
    let text = text.to_string();
    let lines = text.split_inclusive('\n').map(|line| match line.strip_suffix('\n') {
        Some(line) => printable(line) + "\n",
        None => printable(line),
    });
    let text: String = lines.collect();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("writing to standard output")
        }
        _ => Ok(()),
    }
}

/// Says `text` on standard error, as a [`message`]. Where nobody listens the work goes on.
pub fn say(text: impl Display) {
    let _ = writeln!(io::stderr(), "{}", message(&text.to_string()));
}
