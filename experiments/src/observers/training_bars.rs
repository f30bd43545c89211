//! The bars of a training.

use super::canvas::Canvas;
use super::pace::Pace;
use indicatif::ProgressBar;

/// The bars of a training: its steps, and those of the epoch.
pub struct TrainingBars {
    canvas: Canvas,
    pub(super) run: ProgressBar,
    pub(super) epoch: ProgressBar,
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
