//! `univip proposals`: boxes made, brought in, taken out and looked at, without a run.

mod build;
mod export;
mod import;
mod opened;
mod picture;
mod stats;

use crate::cli::ProposalsCommand;
use crate::usage::needs_file;
use anyhow::Result;
use opened::Opened;
use std::sync::atomic::AtomicBool;
use univip_core::registry::Registry;

/// Runs `univip proposals ...`.
pub fn command(command: ProposalsCommand, registry: &Registry, stop: &AtomicBool) -> Result<()> {
    match command {
        ProposalsCommand::Build { store, jobs } => build::build(&Opened::new(&store, registry)?, jobs, stop),
        ProposalsCommand::Import { file, name, mut store } => {
            needs_file("FILE", &file)?;
            store.layers.set.push("proposals.use=imported".into());
            store.layers.set.push(format!("proposal.imported.name={}", serde_json::to_string(&name)?));
            import::import(&Opened::new(&store, registry)?, &file, &name)
        }
        ProposalsCommand::Export { file, orl, store } => {
            export::export(&Opened::new(&store, registry)?, &file, orl)
        }
        ProposalsCommand::Stats { picture, store } => stats::stats(&Opened::new(&store, registry)?, &picture),
    }
}
