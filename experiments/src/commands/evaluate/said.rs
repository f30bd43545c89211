//! The words of `univip evaluate`.

use crate::output;
use crate::runs::Measured;
use anyhow::{Result, ensure};
use univip_core::counted::counted;
use univip_core::evaluate::Metric;

/// Fails when an evaluator did; else, whether the user stopped them.
///
/// # Errors
/// Naming the evaluators that failed, or found nothing to measure: they were asked for.
pub fn told(measured: Measured) -> Result<bool> {
    let Measured { mut failures, not_applicable, stopped } = measured;
    failures.extend(not_applicable.into_iter().map(|each| each.message));
    ensure!(failures.is_empty(), "{}; the numbers of the other evaluators are kept", failures.join("; "));
    Ok(stopped)
}

/// Prints the numbers of an evaluator.
pub fn print(evaluator: &str, metrics: &[Metric]) -> Result<()> {
    let width = metrics.iter().map(|metric| metric.name.len()).fold(12, usize::max);
    metrics.iter().try_for_each(|Metric { name, value, protocol, split, images, skipped }| {
        let without = match skipped {
            0 => String::new(),
            count => format!(" ({count} of train and val skipped)"),
        };
        output::print(format_args!(
            "{evaluator:<16} {name:<width$} {value:>7.2}  {protocol}, {}{without}, split {split}\n",
            counted(*images, "image[|s]")
        ))
    })
}
