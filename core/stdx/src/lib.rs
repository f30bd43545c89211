//! Tools that know nothing of images, networks or recipes: random streams named by their purpose, files that are whole
//! or not there, work on the thread pool, code for the processor's vectors, counts in sentences, tallies, and checked settings.

pub mod config;
pub mod counted;
pub mod digest;
pub mod files;
pub mod json_file;
pub mod pool;
pub mod printable;
pub mod refusal;
pub mod seed;
pub mod tally;
pub mod text_file;
pub mod toml_text;
pub mod vectorised;
