//! The plan of an ablation: its rows, the runs they share, and the time they take.

mod ablation;
mod changed;
mod describe;
mod estimate;
mod file;
mod flatten;
mod library;
mod of_table;
mod planned;
mod sweep;
mod table;

pub use ablation::Plan;
pub use flatten::flatten;
pub use library::Library;
pub use sweep::{Swept, axes_of, axis};
