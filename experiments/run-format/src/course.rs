//! The part of `metrics.jsonl` that the course of a training is drawn from.

use serde::Deserialize;

/// The part of an [`Event`](crate::Event) that curves need. A long run has many steps, and reading their lines without what nobody
/// looks at takes a fraction of the time and memory.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Line")]
pub enum CourseEvent {
    /// The training begins, or goes on.
    Start {
        /// The first step to come.
        step: u64,
        /// Steps of the whole run.
        steps: u64,
    },
    /// A step is done.
    Step {
        /// Its number.
        step: u64,
        /// The weighted sum of the losses; none if it was not finite.
        total: Option<f32>,
    },
    /// An epoch is done.
    Epoch {
        /// Its number.
        epoch: u64,
        /// exp(entropy) of the spectrum of the backbone's features; none if it was not finite.
        effective_rank: Option<f32>,
        /// The shares of the variance of those features in the first 1, 2, 4, 8, ... directions; empty where there are none.
        explained_variance: Vec<f32>,
    },
    /// An evaluator measured a number during the training.
    Evaluation {
        /// The evaluator's name.
        evaluator: String,
        /// The number's name.
        metric: String,
        /// The number; none if it was not finite.
        value: Option<f64>,
    },
    /// Any other line.
    Other,
}

/// A line, read flat: serde keeps all of a line aside where it has to find out first which kind it is.
#[derive(Deserialize)]
struct Line {
    event: Kind,
    step: Option<u64>,
    steps: Option<u64>,
    epoch: Option<u64>,
    total: Option<f32>,
    effective_rank: Option<f32>,
    #[serde(default)]
    explained_variance: Vec<f32>,
    evaluator: Option<String>,
    metric: Option<Measured>,
}

#[derive(Deserialize)]
struct Measured {
    name: String,
    value: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Start,
    Step,
    Epoch,
    Evaluation,
    #[serde(other)]
    Other,
}

impl TryFrom<Line> for CourseEvent {
    type Error = String;

    fn try_from(line: Line) -> Result<Self, String> {
        let Line { event, step, steps, epoch, total, effective_rank, explained_variance, .. } = line;
        Ok(match event {
            Kind::Start => Self::Start { step: needed(step, "step")?, steps: needed(steps, "steps")? },
            Kind::Step => Self::Step { step: needed(step, "step")?, total },
            Kind::Epoch => Self::Epoch { epoch: needed(epoch, "epoch")?, effective_rank, explained_variance },
            Kind::Evaluation => {
                let Measured { name, value } = needed(line.metric, "metric")?;
                Self::Evaluation { evaluator: needed(line.evaluator, "evaluator")?, metric: name, value }
            }
            Kind::Other => Self::Other,
        })
    }
}

fn needed<T>(value: Option<T>, name: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("missing field `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Event;

    /// The same part of the whole event.
    fn part(event: &Event) -> CourseEvent {
        match event.clone() {
            Event::Start { step, steps, .. } => CourseEvent::Start { step, steps },
            Event::Step { step, total, .. } => CourseEvent::Step { step, total },
            Event::Epoch { epoch, effective_rank, explained_variance, .. } => {
                CourseEvent::Epoch { epoch, effective_rank, explained_variance }
            }
            Event::Evaluation { evaluator, metric, .. } => {
                CourseEvent::Evaluation { evaluator, metric: metric.name, value: metric.value }
            }
            _ => CourseEvent::Other,
        }
    }

    #[test]
    fn it_is_a_part_of_the_whole_event() {
        for line in [
            r#"{"event":"start","step":0,"steps":4,"steps_per_epoch":2,"batch":8}"#,
            r#"{"terms":{"scene":0.1},"step":3,"epoch":1,"total":-1.2345679,"event":"step"}"#,
            r#"{"event":"step","step":3,"total":null}"#,
            r#"{"event":"epoch","epoch":1,"effective_rank":12.5,"total":-1.5,"skipped":0}"#,
            r#"{"event":"epoch","epoch":1,"effective_rank":2.5,"explained_variance":[0.5,1.0],"total":-1.5}"#,
            r#"{"event":"evaluation","epoch":1,"evaluator":"knn","metric":{"name":"top1","value":5.5,"protocol":"p","split":"s","images":9}}"#,
            r#"{"event":"checkpoint","step":4}"#,
            r#"{"event":"of-tomorrow","more":1}"#,
        ] {
            let [whole, course] =
                [part(&serde_json::from_str(line).unwrap()), serde_json::from_str(line).unwrap()];
            assert_eq!(whole, course, "{line}");
        }
        for line in [
            r#"{"event":"step"}"#,
            r#"{"event":"evaluation","epoch":1,"evaluator":"knn"}"#,
            r#"{"step":1}"#,
            r#"{"event":"start","step":1}"#,
            "{",
        ] {
            assert!(serde_json::from_str::<CourseEvent>(line).is_err(), "{line}");
            assert!(serde_json::from_str::<Event>(line).is_err(), "{line}");
        }
    }
}
