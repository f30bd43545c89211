//! The engine's events and numbers, as run directories hold them.

use univip_core::evaluate::Metric;
use univip_core::event::Event;
use univip_run_format as format;

/// A measured number.
pub fn metric(metric: &Metric) -> format::Metric {
    let Metric { name, value, protocol, split, images, skipped } = metric.clone();
    format::Metric {
        name,
        value: value.is_finite().then_some(value),
        protocol,
        split,
        images: images as u64,
        skipped: skipped as u64,
    }
}

/// An event as a line of `metrics.jsonl`. None of what has a file of its own, such as the evaluations of the trained
/// backbone, and of passing progress, which is no fact about the run.
pub fn event(event: &Event) -> Option<format::Event> {
    let finite = |value: f32| value.is_finite().then_some(value);
    Some(match event.clone() {
        Event::Progress { .. } | Event::Evaluation { epoch: None, .. } => return None,
        Event::Start { step, steps, steps_per_epoch, batch } => {
            format::Event::Start { step, steps, steps_per_epoch, batch: batch as u64 }
        }
        Event::Step { step, epoch, total, terms, lr, momentum, seconds, waited } => {
            let terms = terms.into_iter().map(|(name, value)| (name, finite(value))).collect();
            format::Event::Step { step, epoch, total: finite(total), terms, lr, momentum, seconds, waited }
        }
        Event::Epoch { epoch, effective_rank, explained_variance, total, skipped } => format::Event::Epoch {
            epoch,
            effective_rank: finite(effective_rank),
            explained_variance,
            total: finite(total),
            skipped,
        },
        Event::Checkpoint { step } => format::Event::Checkpoint { step },
        Event::Warning { message } => format::Event::Warning { message },
        Event::Evaluation { epoch: Some(epoch), evaluator, metric } => {
            format::Event::Evaluation { epoch, evaluator, metric: self::metric(&metric) }
        }
    })
}
