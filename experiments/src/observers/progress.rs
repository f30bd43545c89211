//! A run as people see it: bars in a terminal, else lines in a log.

use super::canvas::Canvas;
use super::log::{Moment, Rhythm, on_the_way, opening};
use super::pace::{Extent, Pace, Spent};
use super::task::Task;
use super::training_bars::TrainingBars;
use anyhow::Result;
use std::time::Instant;
use univip_core::event::{Event, Observer};

/// Shows one run.
pub struct Progress {
    canvas: Canvas,
    name: String,
    training: Option<Training>,
    task: Option<Task>,
}

struct Training {
    pace: Pace,
    view: TrainingView,
}

enum TrainingView {
    Drawn(TrainingBars),
    Logged(Rhythm),
}

impl Progress {
    pub(super) fn new(canvas: Canvas, name: &str) -> Self {
        Self { canvas, name: name.into(), training: None, task: None }
    }

    fn begin(&mut self, extent: Extent, step: u64) {
        self.task = None;
        // An untrained backbone.
        if extent.steps == 0 {
            return;
        }
        let pace = Pace::new(extent, step);
        let view = if self.canvas.is_drawn() {
            TrainingView::Drawn(TrainingBars::new(&self.canvas, &self.name, &pace))
        } else {
            self.say(&opening(&pace));
            TrainingView::Logged(self.canvas.rhythm(Instant::now()))
        };
        self.training = Some(Training { pace, view });
    }

    fn step(&mut self, step: u64, loss: f32, spent: Spent) {
        let Some(Training { pace, view }) = &mut self.training else { return };
        pace.step(step, spent);
        let line = match view {
            TrainingView::Drawn(bars) => {
                bars.show(pace, loss);
                None
            }
            TrainingView::Logged(rhythm) => rhythm
                .due(Instant::now(), Moment::Within)
                .then(|| on_the_way(pace, &format!("loss {loss:.4}"))),
        };
        let advice = pace.advice();
        line.into_iter().chain(advice).for_each(|line| self.say(&line));
    }

    fn epoch(&mut self, loss: f32, rank: f32) {
        let Some(Training { pace, view: TrainingView::Logged(rhythm) }) = &mut self.training else { return };
        let moment = if pace.ended() { Moment::End } else { Moment::EpochEnd };
        if rhythm.due(Instant::now(), moment) {
            let line = on_the_way(pace, &format!("mean loss {loss:.4}, effective rank {rank:.1}"));
            self.say(&line);
        }
    }

    fn task(&mut self, name: &str, done: u64, total: u64) {
        if self.task.as_ref().is_none_or(|task| task.name() != name) {
            self.task = None;
            self.task = Some(Task::new(&self.canvas, &self.name, name));
        }
        if let Some(task) = &mut self.task {
            task.show(done, total);
        }
    }

    fn say(&self, text: &str) {
        self.canvas.line(&format!("{}: {text}", self.name));
    }
}

impl Observer for Progress {
    fn observe(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Start { step, steps, steps_per_epoch, batch } => {
                let extent = Extent { steps: *steps, steps_per_epoch: *steps_per_epoch, batch: *batch };
                self.begin(extent, *step);
            }
            Event::Step { step, total, seconds, waited, .. } => {
                self.step(*step, *total, Spent { seconds: *seconds, waited: *waited });
            }
            Event::Epoch { total, effective_rank, .. } => self.epoch(*total, *effective_rank),
            Event::Progress { task, done, total } => self.task(task, *done, *total),
            Event::Warning { message } => {
                self.canvas.line(&format!("warning: {}: {message}", self.name));
            }
            Event::Checkpoint { .. } | Event::Evaluation { .. } => {}
        }
        Ok(())
    }
}
