//! The bars of a command: one for its runs, and below it those of the run that is worked on.

use super::canvas::Canvas;
use super::heard::Heard;
use super::progress::Progress;
use indicatif::ProgressBar;
use std::time::Duration;
use univip_core::printable::printable;

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

    /// The same for a process that makes one run of several, as lines; `live` if they are for a terminal.
    pub fn of_one_run(live: bool) -> Self {
        let canvas = Canvas::new();
        Self::on(if live { canvas.live() } else { canvas }, "", 1)
    }

    /// True where bars are seen.
    pub fn are_drawn(&self) -> bool {
        self.canvas.is_drawn()
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

    /// A place for the lines of a run that another process makes.
    pub fn heard(&self, name: &str) -> Heard {
        Heard::new(self.canvas.clone(), name)
    }

    /// Shows that so many runs are made at the same time.
    pub fn at_once(&self, runs: usize) {
        let (done, all) = (self.runs.position(), self.runs.length().unwrap_or(1));
        self.runs.set_message(format!("{done} of {all} runs done, {runs} at a time"));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observers::pace::{Extent, Pace, Spent};
    use crate::observers::task::Task;
    use crate::observers::training_bars::TrainingBars;
    use indicatif::{ProgressDrawTarget, TermLike};
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
    fn of_a_run_in_another_process_the_newest_line_is_below_the_bars() {
        let written = Arc::new(Mutex::new(String::new()));
        let paper = Paper { width: 90, written: written.clone() };
        let bars = Bars::on(Canvas::on(ProgressDrawTarget::term_like(Box::new(paper)), 90), "table7", 2);
        bars.at_once(2);
        let mut heard = bars.heard("table7-a seed 0");
        heard.line("table7-a seed 0: epoch 1 of 2, 400 images/s, 9 s left");
        heard.line("warning: table7-a seed 0: an image is skipped");
        bars.runs.force_draw();
        let text = written.lock().unwrap().clone();
        assert!(text.contains("0 of 2 runs done, 2 at a time"), "{text}");
        assert!(text.contains("epoch 1 of 2, 400 images/s, 9 s left"), "{text}");
        assert!(!text.contains("skipped"), "a warning is no state: {text}");
        heard.end();
    }
}
