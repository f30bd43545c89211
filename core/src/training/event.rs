//! Events that the engine emits while it runs, and the trait of their observers.

use crate::evaluate::Metric;
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;

/// Something that happened in a run. One JSON object a line of `metrics.jsonl`, tagged by `event`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// Training begins, or goes on at `step`.
    Start {
        /// The first optimiser step to come.
        step: u64,
        /// The number of optimiser steps of the whole run.
        steps: u64,
        /// Optimiser steps per epoch.
        steps_per_epoch: u64,
        /// Images an optimiser step.
        batch: usize,
    },
    /// One optimiser step is done.
    Step {
        /// Counted from 0.
        step: u64,
        /// The epoch, counted from 0.
        epoch: u64,
        /// The weighted sum of the terms (Eq. 12).
        total: f32,
        /// Each loss before its weight, and its diagnostics as `loss/diagnostic`.
        terms: BTreeMap<String, f32>,
        /// The learning rate of this step.
        lr: f64,
        /// The target's momentum m of this step (Eq. 1).
        momentum: f64,
        /// Seconds the step took, waiting for data included.
        seconds: f64,
        /// Seconds of it spent waiting for data.
        waited: f64,
    },
    /// An epoch is done.
    Epoch {
        /// Counted from 0.
        epoch: u64,
        /// exp(entropy) of the normalised spectrum of the covariance of the online backbone's features, on the first
        /// training images without augmentation: near 1 is a collapse.
        effective_rank: f32,
        /// The shares of those features' variance in the first 1, 2, 4, 8, ... directions. Empty if they do not vary or are not finite.
        explained_variance: Vec<f32>,
        /// The mean total loss of the epoch.
        total: f32,
        /// Images that could not be read and were skipped.
        skipped: u64,
    },
    /// A checkpoint is on disk.
    Checkpoint {
        /// The next optimiser step.
        step: u64,
    },
    /// Work that is not a training step: making proposals, evaluating.
    Progress {
        /// The task, in words.
        task: String,
        /// Units done.
        done: u64,
        /// Units in all.
        total: u64,
    },
    /// Something a person should know that does not stop the run.
    Warning {
        /// One sentence.
        message: String,
    },
    /// An evaluator measured a number.
    Evaluation {
        /// The epoch that had just ended, counted from 0; none after the last step.
        #[serde(skip_serializing_if = "Option::is_none")]
        epoch: Option<u64>,
        /// The evaluator's name.
        evaluator: String,
        /// The measured number.
        metric: Metric,
    },
}

/// Watches a run. It sees events and can change nothing but whether the run can go on: an error
/// (a full disk) stops it.
pub trait Observer {
    /// Called for every event, in order, on the training thread.
    fn observe(&mut self, event: &Event) -> Result<()>;

    /// Makes durable what was observed so far: a checkpoint that claims it is about to be written.
    fn sync(&mut self) -> Result<()> {
        Ok(())
    }
}
