//! The progress of a training, its speed, and the time that is left.

use crate::figures;
use std::collections::VecDeque;
use std::time::Duration;

/// The seconds of steps, and those of them spent waiting for data.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spent {
    /// All of them.
    pub seconds: f64,
    /// Those spent waiting.
    pub waited: f64,
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

/// The work of a training.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Optimiser steps of the whole run.
    pub steps: u64,
    /// Optimiser steps per epoch.
    pub steps_per_epoch: u64,
    /// Images per optimiser step.
    pub batch: usize,
}

/// A training that goes on.
pub struct Pace {
    /// The work.
    pub extent: Extent,
    /// Steps that are done.
    pub done: u64,
    /// The latest steps, for the rate.
    recent: VecDeque<Spent>,
    /// All steps of this sitting but the first.
    spent: Spent,
}

const RATE_STEPS: usize = 20;

/// A run that waits for data for more than this share of its time, in percent, is told so.
const MUCH_WAITING: f64 = 3.0;

/// A training of fewer seconds says nothing about the speed of its data.
const LONG_ENOUGH: f64 = 10.0;

impl Pace {
    /// One that begins, or goes on, at step `done`.
    pub fn new(extent: Extent, done: u64) -> Self {
        Self { extent, done, recent: VecDeque::new(), spent: Spent::default() }
    }

    /// One more step is done, the `step`-th from 0.
    pub fn step(&mut self, step: u64, spent: Spent) {
        // Nothing trains yet while the first batch is made.
        if !self.recent.is_empty() {
            self.spent.add(spent);
        }
        self.recent.push_back(spent);
        if self.recent.len() > RATE_STEPS {
            self.recent.pop_front();
        }
        self.done = step.saturating_add(1);
    }

    /// True when the last step is done.
    pub fn ended(&self) -> bool {
        self.done >= self.extent.steps
    }

    /// The epoch of the last step, counted from 1.
    pub fn epoch(&self) -> u64 {
        self.done.div_ceil(self.extent.steps_per_epoch.max(1)).max(1)
    }

    /// Epochs in all.
    pub fn epochs(&self) -> u64 {
        self.extent.steps / self.extent.steps_per_epoch.max(1)
    }

    /// `103 images/s`, and how much of the time is spent waiting.
    pub fn speed(&self) -> String {
        let recent = self.latest();
        let images = (self.recent.len() * self.extent.batch) as f64;
        let waiting = recent.waiting();
        let waiting = if waiting < 0.5 {
            String::new()
        } else {
            format!(", {waiting:.0}% of the time waiting for data")
        };
        format!("{} images/s{waiting}", figures::rate(images / recent.seconds.max(1e-9)))
    }

    /// `3 min left`, as fast as the latest steps.
    pub fn left(&self) -> String {
        let each = self.latest().seconds / self.recent.len().max(1) as f64;
        let seconds = (self.extent.steps.saturating_sub(self.done) as f64 * each).min(1e12);
        format!("{} left", figures::time(Duration::from_secs_f64(seconds)))
    }

    /// The advice at the end of a training that waited much.
    pub fn advice(&self) -> Option<String> {
        let much = self.spent.seconds > LONG_ENOUGH && self.spent.waiting() > MUCH_WAITING;
        (self.ended() && much).then(|| {
            format!(
                "waited for data during {:.0}% of its {:.0} seconds; more of `loader.workers` and `loader.ahead`, or a \
                 faster disk, would help",
                self.spent.waiting(),
                self.spent.seconds
            )
        })
    }

    fn latest(&self) -> Spent {
        let mut all = Spent::default();
        self.recent.iter().for_each(|step| all.add(*step));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(steps: &[(f64, f64)]) -> Pace {
        let mut pace = Pace::new(Extent { steps: 10, steps_per_epoch: 5, batch: 64 }, 0);
        for (step, (seconds, waited)) in (0..).zip(steps) {
            pace.step(step, Spent { seconds: *seconds, waited: *waited });
        }
        pace
    }

    #[test]
    fn speed_and_time_left_are_those_of_the_latest_steps() {
        let pace = pace(&[(0.5, 0.0), (0.5, 0.25), (0.5, 0.0)]);
        assert_eq!(pace.speed(), "128 images/s, 17% of the time waiting for data");
        assert_eq!(pace.left(), "4 s left");
        assert_eq!((pace.epoch(), pace.epochs(), pace.ended()), (1, 2, false));
    }

    #[test]
    fn advice_is_given_at_the_end_by_the_share_of_all_seconds_but_the_first_steps() {
        let mut steps = vec![(100.0, 100.0)];
        steps.extend([(2.0, 0.1); 8]);
        assert_eq!(pace(&steps).advice(), None, "before the end");
        steps.push((2.0, 0.1));
        let advice = pace(&steps).advice().unwrap();
        assert!(advice.starts_with("waited for data during 5% of its 18 seconds"), "{advice}");
        assert_eq!(pace(&[(2.0, 0.01); 10]).advice(), None, "little waiting");
        assert_eq!(pace(&[(0.5, 0.4); 10]).advice(), None, "too short to tell");
    }

    #[test]
    fn before_the_first_step_nothing_is_divided_by_nothing() {
        let pace = Pace::new(Extent { steps: 0, steps_per_epoch: 0, batch: 0 }, 0);
        assert_eq!((pace.speed().as_str(), pace.left().as_str()), ("0 images/s", "0.0 s left"));
        assert_eq!((pace.epoch(), pace.epochs(), pace.ended()), (1, 0, true));
    }
}
