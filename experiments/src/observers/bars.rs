//! Progress bars: the table's runs, the run's steps, and whatever else takes a while. No line is wider than the terminal.

use super::pace::Pace;
use super::progress::Progress;
use crate::{figures, output};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;
use univip_core::printable::printable;

/// Where bars are drawn: standard error, if it is a terminal.
#[derive(Clone)]
pub struct Canvas {
    all: MultiProgress,
    layout: Layout,
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

    fn on(target: ProgressDrawTarget, columns: usize) -> Self {
        Self { all: MultiProgress::with_draw_target(target), layout: Layout::of(columns) }
    }

    /// Whether bars are seen; else what they show is to be said in lines.
    pub fn is_drawn(&self) -> bool {
        !self.all.is_hidden()
    }

    /// Says a line, above the bars.
    pub fn line(&self, text: &str) {
        self.all.suspend(|| output::say(text));
    }

    /// A bar below the others; `clock` adds the time since it was made.
    pub fn bar(&self, name: &str, colour: &str, total: u64, clock: bool) -> ProgressBar {
        let Layout { name: room, bar } = self.layout;
        let clock = if clock { "{elapsed_precise} " } else { "" };
        // What is too long for the terminal is cut from the words at the end.
        let template = format!("{{prefix:<{room}!}} {{bar:{bar}.{colour}/dim}} {clock}{{wide_msg}}");
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.all.add(ProgressBar::new(total).with_style(style).with_prefix(printable(name)))
    }

    /// Takes a bar away.
    pub fn remove(&self, bar: &ProgressBar) {
        bar.finish_and_clear();
        self.all.remove(bar);
    }
}

/// The bars of a whole command. Where standard error is no terminal they are lines instead.
#[derive(Clone)]
pub struct Bars {
    canvas: Canvas,
    runs: ProgressBar,
}

impl Bars {
    /// A bar of `runs` runs, called `title`.
    pub fn new(title: &str, runs: u64) -> Self {
        Self::on(Canvas::new(), title, runs)
    }

    fn on(canvas: Canvas, title: &str, runs: u64) -> Self {
        let bar = canvas.bar(title, "cyan", runs, true);
        if canvas.is_drawn() {
            bar.enable_steady_tick(Duration::from_secs(1));
        }
        Self { canvas, runs: bar }
    }

    /// An observer that shows one run.
    pub fn run(&self, name: &str) -> Progress {
        let (place, all) = (self.runs.position() + 1, self.runs.length().unwrap_or(1));
        if self.canvas.is_drawn() {
            self.runs.set_message(format!("run {place}/{all}  {}", printable(name)));
        } else if all > 1 {
            self.line(&format!("{name}: begins, run {place} of {all}"));
        }
        Progress::new(self.canvas.clone(), name)
    }

    /// One more run is done.
    pub fn finish_run(&self) {
        self.runs.inc(1);
    }

    /// Says a line, above the bars.
    pub fn line(&self, text: &str) {
        self.canvas.line(text);
    }

    /// Takes the bars away.
    pub fn clear(&self) {
        self.canvas.remove(&self.runs);
    }
}

/// The bars of a training: its steps, and those of the epoch.
pub struct TrainingBars {
    canvas: Canvas,
    run: ProgressBar,
    epoch: ProgressBar,
}

impl TrainingBars {
    /// Bars below those that are there.
    pub fn new(canvas: &Canvas, name: &str, pace: &Pace) -> Self {
        let run = canvas.bar(name, "green", pace.extent.steps, false);
        run.set_position(pace.done);
        let epoch = canvas.bar("", "blue", pace.extent.steps_per_epoch, false);
        Self { canvas: canvas.clone(), run, epoch }
    }

    /// Shows how far the training is.
    pub fn show(&self, pace: &Pace, loss: f32) {
        let (done, extent) = (pace.done, pace.extent);
        self.run.set_position(done);
        self.run.set_message(format!("step {done}/{}  {}  loss {loss:.4}", extent.steps, pace.left()));
        let first = (pace.epoch() - 1).saturating_mul(extent.steps_per_epoch);
        let within = done.saturating_sub(first);
        self.epoch.set_prefix(format!("  epoch {}", pace.epoch()));
        self.epoch.set_position(within);
        self.epoch.set_message(format!("{within}/{}  {}", extent.steps_per_epoch, pace.speed()));
    }
}

impl Drop for TrainingBars {
    fn drop(&mut self) {
        [&self.run, &self.epoch].into_iter().for_each(|bar| self.canvas.remove(bar));
    }
}

/// `1,203/4,000  45.2/s  62 s left`, after `seconds` in which `done - before` units were done.
pub fn task_words(done: u64, total: u64, before: u64, seconds: f64) -> String {
    let mut words = format!("{}/{}", figures::count(done), figures::count(total));
    let rate = done.saturating_sub(before) as f64 / seconds.max(1e-9);
    // The first units say little of the others.
    if seconds >= 0.5 && rate > 0.0 {
        let left = (total.saturating_sub(done) as f64 / rate).min(1e12);
        let left = figures::time(Duration::from_secs_f64(left));
        words += &format!("  {}/s  {left} left", figures::rate(rate));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observers::pace::{Extent, Spent};
    use crate::observers::progress::Task;
    use indicatif::TermLike;
    use std::io::Result;
    use std::sync::{Arc, Mutex};

    /// A terminal that keeps what is written on it.
    #[derive(Debug, Clone)]
    struct Paper {
        width: u16,
        written: Arc<Mutex<String>>,
    }

    impl TermLike for Paper {
        fn width(&self) -> u16 {
            self.width
        }
        fn move_cursor_up(&self, _: usize) -> Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> Result<()> {
            self.write_str(&format!("{text}\n"))
        }
        fn write_str(&self, text: &str) -> Result<()> {
            self.written.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> Result<()> {
            self.write_str("\n")
        }
        fn flush(&self) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_each_says_what_matters() {
        for width in [60, 80, 120] {
            let written = Arc::new(Mutex::new(String::new()));
            let paper = Paper { width, written: written.clone() };
            let canvas = Canvas::on(ProgressDrawTarget::term_like(Box::new(paper)), width.into());
            let name = "table8b-selective-search\u{1b}[2J seed 0";
            let bars = Bars::on(canvas.clone(), "a table of a very long name indeed", 12);
            let _run = bars.run(name);
            let mut pace = Pace::new(Extent { steps: 124_000, steps_per_epoch: 1240, batch: 512 }, 0);
            let training = TrainingBars::new(&canvas, name, &pace);
            for step in 0..1300 {
                pace.step(step, Spent { seconds: 2.5, waited: 1.0 });
            }
            training.show(&pace, -1.234_567_9);
            let mut task = Task::new(&canvas, "", "linear-probe: features of the train split");
            task.show(40_000, 118_287);
            for bar in [&training.run, &training.epoch, &bars.runs] {
                bar.force_draw();
            }
            let text = written.lock().unwrap().clone();
            // Each line is filled to the width, and the next follows without a line break: one that is too wide would
            // make all after it begin elsewhere.
            for lines in text.split(['\n', '\r']) {
                let drawn: Vec<char> = console::strip_ansi_codes(lines).chars().collect();
                for line in drawn.chunks(width.into()).map(String::from_iter) {
                    let begins = |name: &&str| line.starts_with(name);
                    let known = ["a table of a ve", "table8b-selecti", "  epoch", "  linear-probe:"];
                    assert!(line.trim().is_empty() || known.iter().any(begins), "{width}: {line:?}");
                }
            }
            for part in [
                "run 1/12",
                "step 1300/124000  4 days left",
                "  epoch 2",
                "60/1240  205 images/s",
                "40,000/118,287",
            ] {
                assert!(text.contains(part), "{width}: {part} is not in {text}");
            }
            assert!(!text.contains("\u{1b}[2J"));
        }
    }

    #[test]
    fn what_a_task_says_has_sensible_digits() {
        assert_eq!(task_words(3000, 10_000, 1000, 10.0), "3,000/10,000  200/s  35 s left");
        assert_eq!(task_words(1, 10, 0, 0.01), "1/10");
        assert_eq!(
            task_words(18_863_382, 20_000_000, 0, 1000.0),
            "18,863,382/20,000,000  18,900/s  60 s left"
        );
    }
}
