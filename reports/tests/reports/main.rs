//! Tests over directories of runs that are made up here.

mod common;
mod reading;
mod tables;
