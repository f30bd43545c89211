//! Run directories and plans, as they lie on disk.

pub mod lines;
pub mod plan;
pub mod run;
pub mod training;
