//! The progress of work that is no training: a bar in a terminal, else lines in a log.

use super::canvas::Canvas;
use super::log::{Moment, Rhythm};
use crate::figures;
use indicatif::ProgressBar;
use std::time::{Duration, Instant};

/// Work that is counted in units and is no training.
pub struct Task {
    canvas: Canvas,
    owner: String,
    name: String,
    view: Option<TaskView>,
    /// Units that were done before.
    before: u64,
    begun: Instant,
}

enum TaskView {
    Drawn(ProgressBar),
    Logged(Rhythm),
}

impl Task {
    /// A task of a run, or of no `owner`; it is seen when something of it is done.
    pub fn new(canvas: &Canvas, owner: &str, name: &str) -> Self {
        let (canvas, begun) = (canvas.clone(), Instant::now());
        Self { canvas, owner: owner.into(), name: name.into(), view: None, before: 0, begun }
    }

    /// A task by itself.
    pub fn alone(name: &str) -> Self {
        Self::new(&Canvas::new(), "", name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Shows that `done` of `total` units are done.
    pub fn show(&mut self, done: u64, total: u64) {
        let (now, first) = (Instant::now(), self.view.is_none());
        if first {
            (self.before, self.begun) = (done, now);
        }
        let view = self.view.get_or_insert_with(|| {
            if self.canvas.is_drawn() {
                TaskView::Drawn(self.canvas.bar(&format!("  {}", self.name), "yellow", total, false))
            } else {
                TaskView::Logged(self.canvas.rhythm(now))
            }
        });
        let words = || task_words(done, total, self.before, (now - self.begun).as_secs_f64());
        match view {
            TaskView::Drawn(bar) => {
                bar.set_length(total);
                bar.set_position(done);
                bar.set_message(words());
            }
            TaskView::Logged(rhythm) => {
                if first || rhythm.due(now, Moment::Within) {
                    let owner =
                        if self.owner.is_empty() { String::new() } else { format!("{}: ", self.owner) };
                    self.canvas.line(&format!("{owner}{}: {}", self.name, words()));
                }
            }
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(TaskView::Drawn(bar)) = &self.view {
            self.canvas.remove(bar);
        }
    }
}

/// `1,203/4,000  45.2/s  62 s left`, after `seconds` in which `done - before` units were done.
fn task_words(done: u64, total: u64, before: u64, seconds: f64) -> String {
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
