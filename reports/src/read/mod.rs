//! Run directories and plans, as they lie on disk or in a results file.

pub mod folder;
pub mod plan;
pub mod provenance;
pub mod recipe;
pub mod results_file;
pub mod run;
pub mod training;
