//! Run directories: runs one after another or several at a time, one run, its phases, its evaluators, its data.

mod claim;
mod data;
mod directory;
mod job;
mod laps;
mod measure;
mod phases;
mod processes;
mod queue;
mod record;
mod run;
mod series;
mod trained;

pub use data::{Data, Known, Ledger, Part, Use};
pub use directory::{Origin, RunDirectory, lock_runs, read_evaluations, read_record};
pub use job::{Asked, Done, Job};
pub use laps::{Laps, of_evaluation};
pub use measure::{Measured, Probe};
#[cfg(test)]
pub use queue::Queue;
#[cfg(test)]
pub use record::begin;
pub use record::{begin_sitting, end_sitting};
pub use series::{Outcome, Series, run_only};
pub use trained::{TrainedRun, recipe_of};
