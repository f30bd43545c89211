//! Reads run directories and shows each table of the paper beside what the runs measured.
//!
//! The run directory's format is the contract; this crate knows nothing of the engine. Reading
//! ([`plan`], [`run`], [`training`]) comes first, then [`section`] puts comparable runs together,
//! [`frame`] makes them Polars tables, and the rest only shows these.
//!
//! Numbers are shown together only if they are the same kind of number: same scale, data, probe data,
//! protocol and split. Runs whose top-1 differs in one of these get a table of their own; of k-NN and detection
//! a table shows the kind that most of its rows have, and leaves out the others.

pub mod bench;
pub mod compare;
pub mod escape;
mod files;
pub mod frame;
pub mod lines;
pub mod page;
pub mod plan;
pub mod plot;
pub mod report;
pub mod run;
pub mod section;
pub mod statistics;
pub mod text;
pub mod training;
pub mod view;

pub use report::{Report, report};
