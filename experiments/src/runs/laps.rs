//! The time of a run's phases, and the numbers that some of it was spent on.

use super::directory::{Origin, RunDirectory, evaluated};
use anyhow::Result;
use std::time::Instant;
use univip_core::evaluate::Metric;
use univip_run_format::{RunRecord, Taken, phase};

/// Adds the time of each phase to a record.
pub struct Laps(Instant);

impl Laps {
    /// The first phase begins.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The seconds since the end of the last phase, which are this phase's.
    pub fn end(&mut self, record: &mut RunRecord, phase: &str) -> f64 {
        let seconds = self.0.elapsed().as_secs_f64();
        *record.seconds.entry(phase.into()).or_default() += seconds;
        self.0 = Instant::now();
        seconds
    }

    /// Keeps the numbers of a measurement in the run's directory, and the time since the end of the last phase as the time that they took.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn keep(
        &mut self,
        directory: &RunDirectory,
        record: &mut RunRecord,
        origin: &Origin,
        metrics: &[Metric],
    ) -> Result<()> {
        directory.append_evaluations(&evaluated(origin, metrics))?;
        let seconds = self.end(record, of_evaluation(&origin.set));
        if let Some(digest) = &origin.digest {
            let taken = Taken { name: origin.name.clone(), seconds, not_applicable: None };
            record.measurements.insert(digest.clone(), taken);
        }
        Ok(())
    }
}

/// The phase of measurements with the settings `set`. Time spent with other settings than the recipe's is no time of the recipe's.
pub fn of_evaluation(set: &[String]) -> &'static str {
    if set.is_empty() { phase::EVALUATE } else { phase::EVALUATE_OTHERWISE }
}
