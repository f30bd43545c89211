//! Reads run directories and shows each table of the paper beside what the runs measured.
//!
//! The run directory's format is the contract; this crate knows nothing of the engine. Reading
//! ([`read`]) comes first, then [`compare`] puts comparable runs together and makes them Polars
//! tables, and [`show`] shows these.
//!
//! Numbers are shown together only if they are the same kind of number: same scale, data, probe data,
//! protocol and split. Runs whose top-1 differs in one of these get a table of their own; of k-NN and detection
//! a table shows the kind that most of its rows have, and leaves out the others.

pub mod compare;
pub mod read;
pub mod report;
pub mod show;

pub use report::{Report, report};
