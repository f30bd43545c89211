//! The mistakes that a dataset can have.

pub mod findings;
pub mod look;
