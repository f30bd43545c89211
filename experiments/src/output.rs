//! What people read of a command: its output, and one line at a time on standard error.

use anyhow::{Context, Result};
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use univip_core::printable::printable;

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

/// Says `text` on standard error, as [`line`] has it. Where nobody listens the work goes on.
pub fn say(text: impl Display) {
    let _ = writeln!(io::stderr(), "{}", line(&text.to_string()));
}

/// Fewer characters than this are a message; more of them hide what matters.
const MOST: usize = 500;

/// The text as one line of fewer than 500 characters, whatever is in it. Of a longer one the beginning and the end stay, which say what is
/// wrong and what to do.
pub fn line(text: &str) -> String {
    let text = printable(text.trim_end());
    let letters: Vec<char> = text.chars().collect();
    if letters.len() < MOST {
        return text;
    }
    const HEAD: usize = 300;
    const TAIL: usize = 150;
    let [head, tail] = [&letters[..HEAD], &letters[letters.len() - TAIL..]].map(String::from_iter);
    format!("{head} [... {} characters ...] {tail}", letters.len() - HEAD - TAIL)
}

#[cfg(test)]
mod tests {
    use super::{MOST, line};

    #[test]
    fn a_message_is_one_line_and_not_long() {
        assert_eq!(line("a\nb\u{1b}[2J\n"), r"a\nb\u{1b}[2J");
        let long = format!("begins{}ends", "x\n".repeat(30_000));
        let cut = line(&long);
        assert!(cut.chars().count() < MOST, "{cut}");
        assert!(cut.starts_with("begins") && cut.ends_with("ends"), "{cut}");
        assert!(cut.contains("[... 89560 characters ...]"), "{cut}");
    }

    #[test]
    fn what_fits_is_left_alone() {
        let fits = "é".repeat(MOST - 1);
        assert_eq!(line(&fits), fits);
        assert!(line(&"é".repeat(MOST)).contains("[... 50 characters ...]"));
    }
}
