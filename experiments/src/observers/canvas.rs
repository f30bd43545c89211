//! A place for bars. No line of it is wider than the terminal.

use super::log::Rhythm;
use crate::output;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Instant;
use univip_core::printable::printable;

/// A place for bars: standard error, if it is a terminal.
#[derive(Clone)]
pub struct Canvas {
    all: MultiProgress,
    layout: Layout,
    live: bool,
}

/// The characters of what stands at the left of each line; the rest of it is for words.
#[derive(Debug, Clone, Copy)]
struct Layout {
    name: usize,
    bar: usize,
}

impl Layout {
    fn of(columns: usize) -> Self {
        let [name, bar] = match columns {
            0..72 => [15, 6],
            72..100 => [20, 14],
            _ => [22, 24],
        };
        Self { name, bar }
    }
}

impl Canvas {
    /// Standard error.
    pub fn new() -> Self {
        let columns = terminal_size::terminal_size_of(std::io::stderr()).map(|(width, _)| width.0);
        Self::on(ProgressDrawTarget::stderr(), columns.map_or(80, usize::from))
    }

    pub(super) fn on(target: ProgressDrawTarget, columns: usize) -> Self {
        Self { all: MultiProgress::with_draw_target(target), layout: Layout::of(columns), live: false }
    }

    /// The same, with lines as often as a process that shows the newest in a terminal wants them.
    pub fn live(self) -> Self {
        Self { live: true, ..self }
    }

    /// The rhythm of lines, the first of which is written now.
    pub fn rhythm(&self, now: Instant) -> Rhythm {
        Rhythm::begin(now, self.live)
    }

    /// False where bars are not seen: what they show is then to be said in lines.
    pub fn is_drawn(&self) -> bool {
        !self.all.is_hidden()
    }

    /// Says a line, above the bars.
    pub fn line(&self, text: &str) {
        self.all.suspend(|| output::say(text));
    }

    /// A bar below the others; `clock` adds the time since it was made.
    pub fn bar(&self, name: &str, colour: &str, total: u64, clock: bool) -> ProgressBar {
        let bar = self.layout.bar;
        let clock = if clock { "{elapsed_precise} " } else { "" };
        self.add(name, &format!("{{bar:{bar}.{colour}/dim}} {clock}{{wide_msg}}"), total)
    }

    /// A line below the bars with the time since it was made, for words.
    pub fn words(&self, name: &str) -> ProgressBar {
        self.add(name, "{elapsed_precise} {wide_msg}", 0)
    }

    /// A line below the others, with `parts` after its name.
    fn add(&self, name: &str, parts: &str, total: u64) -> ProgressBar {
        // A line that is too long for the terminal loses the words at its end.
        let template = format!("{{prefix:<{}!}} {parts}", self.layout.name);
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.all.add(ProgressBar::new(total).with_style(style).with_prefix(printable(name)))
    }

    /// Takes a bar away.
    pub fn remove(&self, bar: &ProgressBar) {
        bar.finish_and_clear();
        self.all.remove(bar);
    }
}
