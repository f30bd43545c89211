//! How the training of a run went, from its events.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The curves of a run. A step or epoch repeated after a resume counts as it was the last time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Training {
    /// The number of optimiser steps of the whole run.
    pub steps: Option<u64>,
    /// The total loss after each step; none where it was not finite.
    pub loss: BTreeMap<u64, Option<f64>>,
    /// The effective rank at the end of each epoch.
    pub rank: BTreeMap<u64, EpochEnd>,
    /// The first step that was left out because the run has not so many: its line is damaged.
    pub beyond: Option<u64>,
}

/// The end of an epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochEnd {
    /// Its last step.
    pub step: u64,
    /// exp(entropy) of the spectrum of the backbone's features; none where it was not finite.
    pub effective_rank: Option<f64>,
}

/// A line of `metrics.jsonl`. JSON has no NaN: a number that is not finite is null there.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// Training begins or goes on.
    Start {
        /// The first step to come.
        step: u64,
        /// Steps of the whole run.
        steps: u64,
    },
    /// A step is done.
    Step {
        /// Counted from 0.
        step: u64,
        /// The weighted sum of the losses.
        total: Option<f64>,
    },
    /// An epoch is done.
    Epoch {
        /// Counted from 0.
        epoch: u64,
        /// See [`EpochEnd`].
        effective_rank: Option<f64>,
    },
    /// Anything else.
    #[serde(other)]
    Other,
}

impl Training {
    /// The curves that `events` draw, in the order they were written.
    pub fn of(events: Vec<Event>) -> Self {
        let mut training = Self::default();
        let mut latest = 0;
        for event in events {
            match event {
                Event::Start { step, steps } => {
                    training.steps = Some(steps);
                    training.loss.split_off(&step);
                    training.rank.retain(|_, end| end.step < step);
                }
                Event::Step { step, .. } if step >= training.steps.unwrap_or(u64::MAX) => {
                    training.beyond.get_or_insert(step);
                }
                Event::Step { step, total } => {
                    latest = step;
                    training.loss.insert(step, total);
                }
                Event::Epoch { epoch, effective_rank } => {
                    training.rank.insert(epoch, EpochEnd { step: latest, effective_rank });
                }
                Event::Other => {}
            }
        }
        training
    }

    /// The effective rank at the end of the last epoch.
    pub fn last_rank(&self) -> Option<f64> {
        self.rank.last_key_value().and_then(|(_, end)| end.effective_rank)
    }
}
