//! The part of `metrics.jsonl` that the course of a training is drawn from.

use serde::Deserialize;

/// The part of an [`Event`](crate::Event) that curves need. A long run has many steps, and reading their lines without what nobody
/// looks at takes a fraction of the time and memory.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
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
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Start,
    Step,
    Epoch,
    #[serde(other)]
    Other,
}

impl TryFrom<Line> for CourseEvent {
    type Error = String;

    fn try_from(line: Line) -> Result<Self, String> {
        let needed =
            |number: Option<u64>, name: &str| number.ok_or_else(|| format!("missing field `{name}`"));
        let Line { event, step, steps, epoch, total, effective_rank } = line;
        Ok(match event {
            Kind::Start => Self::Start { step: needed(step, "step")?, steps: needed(steps, "steps")? },
            Kind::Step => Self::Step { step: needed(step, "step")?, total },
            Kind::Epoch => Self::Epoch { epoch: needed(epoch, "epoch")?, effective_rank },
            Kind::Other => Self::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Event;

    /// The same part of the whole event.
    fn part(event: &Event) -> CourseEvent {
        match *event {
            Event::Start { step, steps, .. } => CourseEvent::Start { step, steps },
            Event::Step { step, total, .. } => CourseEvent::Step { step, total },
            Event::Epoch { epoch, effective_rank, .. } => CourseEvent::Epoch { epoch, effective_rank },
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
            r#"{"event":"checkpoint","step":4}"#,
            r#"{"event":"of-tomorrow","more":1}"#,
        ] {
            let [whole, course] =
                [part(&serde_json::from_str(line).unwrap()), serde_json::from_str(line).unwrap()];
            assert_eq!(whole, course, "{line}");
        }
        for line in [r#"{"event":"step"}"#, r#"{"step":1}"#, r#"{"event":"start","step":1}"#, "{"] {
            assert!(serde_json::from_str::<CourseEvent>(line).is_err(), "{line}");
            assert!(serde_json::from_str::<Event>(line).is_err(), "{line}");
        }
    }
}
