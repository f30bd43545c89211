//! Comparable runs, put together.

pub mod bench_case;
pub mod frame;
pub mod provenance;
pub mod section;
pub mod statistics;
