//! The options of commands that run recipes, and their common body.

use super::exit::{DONE, FAILED};
use crate::output;
use crate::plan::{Plan, axis};
use crate::runs::{Data, Outcome, Series, run_only};
use crate::system::interrupts::{self, STOP};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use univip_core::registry::Registry;
use univip_run_format::Axis;

/// The options of a series of runs.
#[derive(Args)]
pub struct Running {
    /// The seeds of each run
    #[arg(long, value_delimiter = ',', default_value = "0")]
    pub seeds: Vec<u64>,
    /// The directory of run directories
    #[arg(long, default_value = "runs")]
    pub runs: PathBuf,
    /// A key and the values that it takes in turn, as a.b=c,d; of several, every combination is run
    #[arg(long = "sweep", value_name = "KEY=VALUE,VALUE")]
    pub sweep: Vec<String>,
    /// Discard existing results and start over
    #[arg(long)]
    pub force: bool,
    /// Runs at a time, each in a process with its share of the threads [default: one a thread, eight at most, where steps are as small
    /// as at `small`; otherwise 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub jobs: Option<u8>,
    /// Make this run of the plan alone, for a process that makes several at a time
    #[arg(long, hide = true, value_name = "RUN")]
    pub only_run: Option<String>,
    /// Its lines are for a terminal
    #[arg(long, hide = true, requires = "only_run")]
    pub live_lines: bool,
}

impl Running {
    /// The axes of `--sweep`.
    ///
    /// # Errors
    /// A [`UsageError`](crate::usage::UsageError) for what is no key with values.
    pub fn axes(&self) -> Result<Vec<Axis>> {
        self.sweep.iter().map(|text| axis(text)).collect()
    }

    /// Runs what is left of a plan; the exit code.
    ///
    /// # Errors
    /// A [`RecipeError`](univip_core::error::RecipeError) when the data of a run cannot be opened: nothing is run then.
    pub fn execute(&self, plan: &Plan, title: &str, registry: &Registry) -> Result<u8> {
        let data = Data::new(registry, &self.runs);
        let jobs = plan.jobs(&self.runs, self.force);
        if let Some(only) = &self.only_run {
            interrupts::listen(None)?;
            return Ok(exit_code(run_only(&jobs, only, self.live_lines, &data, &STOP)?));
        }
        interrupts::listen(Some("this step"))?;
        let series = Series::new(title, jobs);
        for why in plan.left_out() {
            output::say(format_args!("warning: {why}"));
        }
        series.open_data(&data)?;
        match plan.write(&self.runs) {
            // Finished runs can be looked at where nothing can be written.
            Err(error) if series.is_finished() => {
                output::say(format_args!(
                    "warning: the plan is not written, so reports use earlier ones: {error:#}"
                ));
            }
            written => written?,
        }
        Ok(exit_code(match self.at_once(&series, registry)? {
            0 | 1 => series.run(&data, &STOP),
            several => series.run_at_once(several, &data, &STOP),
        }))
    }

    /// The number of runs to make at a time, of those that are left.
    ///
    /// # Errors
    /// As [`Series::worth_at_once`].
    pub fn at_once(&self, series: &Series<'_>, registry: &Registry) -> Result<usize> {
        match self.jobs {
            Some(jobs) => Ok(usize::from(jobs).min(series.left())),
            None => series.worth_at_once(registry),
        }
    }
}

fn exit_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Finished => DONE,
        Outcome::Failed => FAILED,
        Outcome::Interrupted => interrupts::exit_code(),
    }
}
