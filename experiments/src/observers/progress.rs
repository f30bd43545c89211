//! Progress bars: the table's runs, the run's steps, and whatever else takes a while.

use anyhow::Result;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::VecDeque;
use univip_core::event::{Event, Observer};

/// The bars of a whole command. Nothing is drawn when standard error is not a terminal.
#[derive(Clone)]
pub struct Bars {
    all: MultiProgress,
    runs: ProgressBar,
}

impl Bars {
    /// A bar of `runs` runs, called `title`.
    pub fn new(title: &str, runs: u64) -> Self {
        let all = MultiProgress::new();
        let bar = all.add(ProgressBar::new(runs));
        bar.set_style(style("{prefix:<22} {bar:24.cyan/dim} run {pos}/{len} {elapsed_precise} {msg}"));
        bar.set_prefix(title.to_string());
        bar.enable_steady_tick(std::time::Duration::from_secs(1));
        Self { all, runs: bar }
    }

    /// An observer that draws one run.
    pub fn run(&self, name: &str) -> Progress {
        self.runs.set_message(name.to_string());
        Progress {
            bars: self.clone(),
            name: name.to_string(),
            training: None,
            task: None,
            recent: VecDeque::new(),
            spent: Spent::default(),
        }
    }

    /// One more run is done.
    pub fn finish_run(&self) {
        self.runs.inc(1);
    }

    /// Prints a line above the bars.
    pub fn line(&self, text: &str) {
        self.all.suspend(|| eprintln!("{text}"));
    }

    /// Takes the bars away.
    pub fn clear(&self) {
        self.runs.finish_and_clear();
    }
}

/// Draws one run.
pub struct Progress {
    bars: Bars,
    name: String,
    training: Option<Training>,
    task: Option<(String, ProgressBar)>,
    /// The latest steps, for the rate.
    recent: VecDeque<Spent>,
    /// All of them but the first.
    spent: Spent,
}

/// The seconds of steps, and those of them spent waiting for data.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    seconds: f64,
    waited: f64,
}

impl Spent {
    fn add(&mut self, other: Self) {
        self.seconds += other.seconds;
        self.waited += other.waited;
    }

    /// The share of the time spent waiting, in percent.
    fn waiting(&self) -> f64 {
        100.0 * self.waited / self.seconds.max(1e-9)
    }
}

struct Training {
    run: ProgressBar,
    epoch: ProgressBar,
    batch: usize,
    steps: u64,
    steps_per_epoch: u64,
}

const RATE_STEPS: usize = 20;

/// A run that waits for data for more than this share of its time, in percent, is told so.
const MUCH_WAITING: f64 = 3.0;

/// A training of fewer seconds says nothing about the speed of its data.
const LONG_ENOUGH: f64 = 10.0;

impl Observer for Progress {
    fn observe(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Start { step, steps, steps_per_epoch, batch } => {
                self.end_task();
                let run = self.bars.all.add(ProgressBar::new(*steps).with_position(*step));
                run.reset_eta();
                run.set_style(style("{prefix:<22} {bar:24.green/dim} step {pos}/{len} {msg} {eta} left"));
                run.set_prefix(self.name.clone());
                let epoch = self.bars.all.add(ProgressBar::new(*steps_per_epoch));
                epoch.set_style(style("{prefix:<22} {bar:24.blue/dim} step {pos}/{len} {msg}"));
                let (steps, steps_per_epoch) = (*steps, *steps_per_epoch);
                self.training = Some(Training { run, epoch, batch: *batch, steps, steps_per_epoch });
            }
            Event::Step { step, epoch, total, seconds, waited, .. } => {
                let spent = Spent { seconds: *seconds, waited: *waited };
                // Nothing trains yet while the first batch is made.
                if !self.recent.is_empty() {
                    self.spent.add(spent);
                }
                self.recent.push_back(spent);
                if self.recent.len() > RATE_STEPS {
                    self.recent.pop_front();
                }
                let Some(training) = &self.training else { return Ok(()) };
                let mut recent = Spent::default();
                self.recent.iter().for_each(|step| recent.add(*step));
                let rate = (self.recent.len() * training.batch) as f64 / recent.seconds.max(1e-9);
                training.run.set_position(step + 1);
                training.run.set_message(format!("loss {total:.4}"));
                training.epoch.set_prefix(format!("  epoch {}", epoch + 1));
                training.epoch.set_position(step % training.steps_per_epoch + 1);
                let waiting = recent.waiting();
                training.epoch.set_message(format!("{rate:.0} images/s, {waiting:.0}% waiting for data"));
                let long = self.spent.seconds > LONG_ENOUGH;
                if step + 1 == training.steps && long && self.spent.waiting() > MUCH_WAITING {
                    self.bars.line(&waiting_line(&self.name, self.spent));
                }
            }
            Event::Progress { task, done, total } => self.draw_task(task, *done, *total),
            Event::Warning { message } => self.bars.line(&format!("warning: {}: {message}", self.name)),
            Event::Epoch { .. } | Event::Checkpoint { .. } | Event::Evaluation { .. } => {}
        }
        Ok(())
    }
}

impl Progress {
    fn draw_task(&mut self, task: &str, done: u64, total: u64) {
        if self.task.as_ref().is_none_or(|(name, _)| name != task) {
            self.end_task();
            let bar = self.bars.all.add(ProgressBar::new(total));
            bar.set_style(style("{prefix:<22} {bar:24.yellow/dim} {pos}/{len} {per_sec} {eta} left"));
            bar.set_prefix(format!("  {task}"));
            self.task = Some((task.to_string(), bar));
        }
        if let Some((_, bar)) = &self.task {
            bar.set_length(total);
            bar.set_position(done);
        }
    }

    fn end_task(&mut self) {
        if let Some((_, bar)) = self.task.take() {
            bar.finish_and_clear();
            self.bars.all.remove(&bar);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end_task();
        if let Some(training) = self.training.take() {
            for bar in [training.run, training.epoch] {
                bar.finish_and_clear();
                self.bars.all.remove(&bar);
            }
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this file; a bad one still draws a plain bar.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// What is said at the end of a training that waited much.
fn waiting_line(name: &str, spent: Spent) -> String {
    format!(
        "{name}: waited for data during {:.0}% of its {:.0} seconds; more of `loader.workers` and `loader.ahead`, or a \
         faster disk, would help",
        spent.waiting(),
        spent.seconds
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_waiting_is_that_of_all_seconds() {
        let mut spent = Spent::default();
        assert_eq!(spent.waiting(), 0.0, "before the first step");
        spent.add(Spent { seconds: 1.0, waited: 0.5 });
        spent.add(Spent { seconds: 9.0, waited: 0.0 });
        assert_eq!(spent.waiting(), 5.0);
        let line = waiting_line("table7-e seed 0", spent);
        assert!(line.contains("table7-e seed 0: waited for data during 5% of its 10 seconds"), "{line}");
    }
}
