//! `metrics.jsonl`: the course of a training.

use crate::Metric;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A line of `metrics.jsonl`. Steps and epochs are counted from 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The training begins, or goes on.
    Start {
        /// The first step to come.
        step: u64,
        /// Steps of the whole run.
        steps: u64,
        /// Steps per epoch.
        #[serde(default)]
        steps_per_epoch: u64,
        /// Images per step.
        #[serde(default)]
        batch: u64,
    },
    /// A step is done.
    Step {
        /// Its number.
        step: u64,
        /// Its epoch.
        #[serde(default)]
        epoch: u64,
        /// The weighted sum of the losses; none if it was not finite.
        total: Option<f32>,
        /// Each loss before its weight, and its diagnostics as `loss/diagnostic`.
        #[serde(default)]
        terms: BTreeMap<String, Option<f32>>,
        /// The learning rate.
        #[serde(default)]
        lr: f64,
        /// The target's momentum.
        #[serde(default)]
        momentum: f64,
        /// Its duration in seconds, including the wait for data.
        #[serde(default)]
        seconds: f64,
        /// Seconds spent waiting for data.
        #[serde(default)]
        waited: f64,
    },
    /// An epoch is done.
    Epoch {
        /// Its number.
        epoch: u64,
        /// exp(entropy) of the spectrum of the backbone's features; none if it was not finite.
        effective_rank: Option<f32>,
        /// The shares of the variance of those features in the first 1, 2, 4, 8, ... directions. Empty if they do not vary or are not
        /// finite, and in runs of an earlier version.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        explained_variance: Vec<f32>,
        /// The mean total loss; none if it was not finite.
        #[serde(default)]
        total: Option<f32>,
        /// Broken images that were skipped.
        #[serde(default)]
        skipped: u64,
    },
    /// A checkpoint is on disk.
    Checkpoint {
        /// The next step.
        step: u64,
    },
    /// A message that did not stop the run.
    Warning {
        /// One sentence.
        message: String,
    },
    /// An evaluator measured a number during the training.
    Evaluation {
        /// The epoch that had just ended.
        epoch: u64,
        /// The evaluator's name.
        evaluator: String,
        /// The number.
        metric: Metric,
    },
    /// A line of a later version.
    #[serde(other, skip_serializing)]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as every version has written them.
    const LINES: [&str; 7] = [
        r#"{"event":"start","step":0,"steps":4,"steps_per_epoch":2,"batch":8}"#,
        r#"{"event":"step","step":3,"epoch":1,"total":-1.2345679,"terms":{"scene":0.1},"lr":0.1,"momentum":0.99,"seconds":0.5,"waited":0.25}"#,
        r#"{"event":"epoch","epoch":1,"effective_rank":12.5,"total":-1.5,"skipped":0}"#,
        r#"{"event":"epoch","epoch":1,"effective_rank":2.5,"explained_variance":[0.5,0.75,1.0],"total":-1.5,"skipped":0}"#,
        r#"{"event":"checkpoint","step":4}"#,
        r#"{"event":"warning","message":"a word"}"#,
        r#"{"event":"evaluation","epoch":1,"evaluator":"knn","metric":{"name":"top1","value":5.5,"protocol":"p","split":"s","images":9}}"#,
    ];

    #[test]
    fn lines_are_written_as_they_are_read() {
        for line in LINES {
            let event: Event = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_string(&event).unwrap(), line);
        }
    }

    #[test]
    fn what_is_not_finite_or_not_known_is_no_error() {
        let read = |line: &str| serde_json::from_str::<Event>(line).unwrap();
        let step = read(r#"{"event":"step","step":3,"total":null}"#);
        assert!(matches!(step, Event::Step { step: 3, total: None, .. }), "{step:?}");
        assert_eq!(read(r#"{"event":"of-tomorrow","more":1}"#), Event::Unknown);
    }
}
