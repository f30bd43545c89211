//! Runs: one after another, one, its evaluators, its directory, its data.

pub mod data;
pub mod directory;
pub mod measure;
pub mod run;
pub mod series;
pub mod trained;
