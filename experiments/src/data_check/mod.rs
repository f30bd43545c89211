//! What can be wrong with a dataset.

pub mod findings;
pub mod look;
