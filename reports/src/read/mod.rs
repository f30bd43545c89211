//! Run directories and plans, as they lie on disk.

pub mod plan;
pub mod provenance;
pub mod recipe;
pub mod run;
pub mod training;
