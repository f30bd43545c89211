//! The course of a training, from its events.

use std::collections::BTreeMap;
use univip_run_format::CourseEvent;

/// The curves of a run. A step or epoch repeated after a resume counts as it was the last time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Training {
    /// The number of optimiser steps of the whole run.
    pub steps: Option<u64>,
    /// The total loss after each step; none where it was not finite.
    pub loss: BTreeMap<u64, Option<f64>>,
    /// The effective rank at the end of each epoch.
    pub rank: BTreeMap<u64, EpochEnd>,
    /// The numbers of evaluations during the training, by evaluator and metric, each by the last step before it.
    pub measured: BTreeMap<(String, String), BTreeMap<u64, f64>>,
    /// The first step that was left out because the run has not so many: its line is damaged.
    pub beyond: Option<u64>,
}

/// The end of an epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochEnd {
    /// Its last step.
    pub step: u64,
    /// exp(entropy) of the spectrum of the backbone's features; none where it was not finite.
    pub effective_rank: Option<f64>,
    /// The shares of those features' variance in the first 1, 2, 4, 8, ... directions; empty where the run does not have them.
    pub explained_variance: Vec<f32>,
}

impl Training {
    /// The curves that `events` draw, in the order they were written.
    pub fn of(events: Vec<CourseEvent>) -> Self {
        let mut training = Self::default();
        let mut latest = 0;
        for event in events {
            match event {
                CourseEvent::Start { step, steps } => {
                    training.steps = Some(steps);
                    training.loss.split_off(&step);
                    training.rank.retain(|_, end| end.step < step);
                    training.measured.values_mut().for_each(|values| drop(values.split_off(&step)));
                }
                CourseEvent::Step { step, .. } if step >= training.steps.unwrap_or(u64::MAX) => {
                    training.beyond.get_or_insert(step);
                }
                CourseEvent::Step { step, total } => {
                    latest = step;
                    training.loss.insert(step, total.map(f64::from));
                }
                CourseEvent::Epoch { epoch, effective_rank, explained_variance } => {
                    let effective_rank = effective_rank.map(f64::from);
                    training
                        .rank
                        .insert(epoch, EpochEnd { step: latest, effective_rank, explained_variance });
                }
                CourseEvent::Evaluation { evaluator, metric, value } => {
                    let values = training.measured.entry((evaluator, metric)).or_default();
                    values.extend(value.map(|value| (latest, value)));
                }
                CourseEvent::Other => {}
            }
        }
        training
    }

    /// The effective rank at the end of the last epoch.
    pub fn last_rank(&self) -> Option<f64> {
        self.rank.last_key_value().and_then(|(_, end)| end.effective_rank)
    }
}
