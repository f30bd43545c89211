//! Reads run directories and shows each table of the paper beside what the runs measured.
//!
//! The run directory's format is the contract; this crate knows nothing of the engine, and no evaluator by name. Reading
//! ([`read`]) comes first, then the numbers of all runs are one tidy Polars frame ([`frame`]), which [`compare`] filters, joins and
//! groups into tables, and [`show`] shows these.
//!
//! [`pack`](mod@pack) puts what a report needs into one file, which is read as the directories are.
//!
//! Numbers are shown together only if they are the same kind of number: same scale, data, probe data,
//! protocol and split. Runs whose number of a table's first column differs in one of these get a table of their own; of the other
//! columns a table shows the kind that most of its rows have, and leaves out the others.

pub mod compare;
pub mod frame;
pub mod pack;
pub mod read;
pub mod report;
pub mod show;

pub use pack::pack;
pub use report::{Report, report};
