//! Tests over directories of runs that are made up here.

mod common;
mod measurements;
mod outputs;
mod packing;
mod pictures;
mod reading;
mod sweep;
mod tables;
