//! The lines of a run that another process makes.

use super::canvas::Canvas;
use indicatif::ProgressBar;
use std::time::Duration;

/// Shows the lines of a run: in a log each of them, in a terminal the newest below the bars, with warnings and the end above them.
pub struct Heard {
    canvas: Canvas,
    name: String,
    /// In a terminal.
    newest: Option<Newest>,
}

struct Newest {
    place: ProgressBar,
    line: String,
}

impl Heard {
    pub(super) fn new(canvas: Canvas, name: &str) -> Self {
        let newest = canvas.is_drawn().then(|| {
            let place = canvas.words(name);
            place.enable_steady_tick(Duration::from_secs(1));
            Newest { place, line: String::new() }
        });
        Self { canvas, name: name.into(), newest }
    }

    /// A line that the process has said.
    pub fn line(&mut self, text: &str) {
        let of_the_run = text.strip_prefix(&self.name).and_then(|rest| rest.strip_prefix(": "));
        match (&mut self.newest, of_the_run) {
            (Some(newest), Some(words)) => {
                newest.place.set_message(words.to_string());
                newest.line = text.into();
            }
            _ => self.canvas.line(text),
        }
    }

    /// The process has ended: its last line stays.
    pub fn end(self) {
        if let Some(Newest { place, line }) = self.newest {
            self.canvas.remove(&place);
            if !line.is_empty() {
                self.canvas.line(&line);
            }
        }
    }
}
