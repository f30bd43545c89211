//! Lines for a log, where standard error is no terminal: one at each phase, and then at times.

use super::pace::Pace;
use std::time::{Duration, Instant};
use univip_core::counted::counted;

/// The least time between two lines of a log that nobody waits for.
const OF_A_FILE: Pauses = Pauses { within: Duration::from_secs(60), epoch: Duration::from_secs(10) };

/// And between two lines for a process that shows the newest in a terminal.
const FOR_A_TERMINAL: Pauses = Pauses { within: Duration::from_secs(2), epoch: Duration::ZERO };

/// The least time between two lines.
#[derive(Debug, Clone, Copy)]
struct Pauses {
    /// In the middle of something.
    within: Duration,
    /// At the end of an epoch: shorter ones have no line each.
    epoch: Duration,
}

/// A moment at which a line may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// In the middle of something.
    Within,
    /// At the end of an epoch.
    EpochEnd,
    /// At the end of all.
    End,
}

/// When the last line was written.
pub struct Rhythm {
    last: Instant,
    pauses: Pauses,
}

impl Rhythm {
    /// A line is written now. `live` lines are for a process that shows the newest in a terminal.
    pub fn begin(now: Instant, live: bool) -> Self {
        Self { last: now, pauses: if live { FOR_A_TERMINAL } else { OF_A_FILE } }
    }

    /// True when another is due, which then counts as written.
    pub fn due(&mut self, now: Instant, moment: Moment) -> bool {
        let silent = now.saturating_duration_since(self.last);
        let due = match moment {
            Moment::Within => silent >= self.pauses.within,
            Moment::EpochEnd => silent >= self.pauses.epoch,
            Moment::End => true,
        };
        if due {
            self.last = now;
        }
        due
    }
}

/// The line that opens a training.
pub fn opening(pace: &Pace) -> String {
    let (extent, done) = (pace.extent, pace.done);
    let begin = if done == 0 { "training".into() } else { format!("training goes on at step {done}") };
    format!(
        "{begin}: {}, {} per epoch, {} per step",
        counted(extent.steps, "step[|s]"),
        extent.steps_per_epoch,
        counted(extent.batch, "image[|s]")
    )
}

/// A line on the way: `measured` is the loss, and what else is known.
pub fn on_the_way(pace: &Pace, measured: &str) -> String {
    format!(
        "epoch {} of {}, step {} of {}, {measured}, {}, {}",
        pace.epoch(),
        pace.epochs(),
        pace.done,
        pace.extent.steps,
        pace.speed(),
        pace.left()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observers::pace::{Extent, Spent};

    #[test]
    fn a_long_epoch_has_a_line_per_minute_and_short_ones_share_one() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut rhythm = Rhythm::begin(begin, false);
        let steps = [(1, false), (59, false), (60, true), (61, false), (119, false), (120, true)];
        for (second, due) in steps {
            assert_eq!(rhythm.due(at(second), Moment::Within), due, "step at {second} s");
        }
        let epochs = [(125, false), (130, true), (135, false), (141, true)];
        for (second, due) in epochs {
            assert_eq!(rhythm.due(at(second), Moment::EpochEnd), due, "epoch at {second} s");
        }
        assert!(rhythm.due(at(142), Moment::End));
    }

    #[test]
    fn a_line_says_step_loss_speed_and_the_time_left() {
        let mut pace = Pace::new(Extent { steps: 496, steps_per_epoch: 62, batch: 64 }, 0);
        assert_eq!(opening(&pace), "training: 496 steps, 62 per epoch, 64 images per step");
        (0..124).for_each(|step| pace.step(step, Spent { seconds: 0.5, waited: 0.0 }));
        assert_eq!(
            on_the_way(&pace, "loss -1.2346"),
            "epoch 2 of 8, step 124 of 496, loss -1.2346, 128 images/s, 3 min left"
        );
        let resumed = Pace::new(pace.extent, 62);
        assert!(opening(&resumed).starts_with("training goes on at step 62: 496 steps"));
    }
}
