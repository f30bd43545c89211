//! `univip proposals`: boxes built, imported, exported and counted, without a run.

mod build;
mod export;
mod import;
mod stats;
mod store;

use super::exit::DONE;
use anyhow::Result;
use clap::Subcommand;
use univip_core::registry::Registry;

/// `univip proposals`
#[derive(Subcommand)]
pub enum Boxes {
    /// Make the boxes of every image of a split, or what is left of them
    #[command(after_help = build::EXAMPLES)]
    Build(build::Build),
    /// Import boxes of another program into a store
    #[command(after_help = import::EXAMPLES)]
    Import(import::Import),
    /// Write the boxes of a complete store as JSON, unfiltered and in order
    #[command(after_help = export::EXAMPLES)]
    Export(export::Export),
    /// Count the boxes before and after the filter (A.3), and the annotated objects that they find
    #[command(after_help = stats::EXAMPLES)]
    Stats(stats::Stats),
}

impl Boxes {
    /// Runs what is asked for.
    ///
    /// # Errors
    /// Whatever stops it.
    pub fn run(self, registry: &Registry) -> Result<u8> {
        match self {
            Self::Build(asked) => asked.run(registry)?,
            Self::Import(asked) => asked.run(registry)?,
            Self::Export(asked) => asked.run(registry)?,
            Self::Stats(asked) => asked.run(registry)?,
        }
        Ok(DONE)
    }
}
