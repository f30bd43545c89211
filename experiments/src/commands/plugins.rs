//! `univip plugins`: the plugins of this binary.

use super::exit::DONE;
use crate::output;
use anyhow::Result;
use clap::Args;
use univip_core::registry::{Kind, Registration, Registry};

/// `univip plugins`
#[derive(Args)]
pub struct Plugins {}

impl Plugins {
    /// Prints a line per plugin, by kind.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn run(&self, registry: &Registry) -> Result<u8> {
        let groups = Kind::ALL.map(|kind| group(kind, registry));
        output::print(groups.join("\n"))?;
        Ok(DONE)
    }
}

/// The plugins of a kind, under its name.
fn group(kind: Kind, registry: &Registry) -> String {
    let lines = registry.all().iter().filter(|plugin| plugin.kind() == kind).map(|plugin| {
        let Registration { name, crate_name, version, summary, .. } = plugin;
        format!("  {name:<17} {crate_name:<24} {version:<8} {summary}\n")
    });
    format!("{}\n{}", kind.name(), lines.collect::<String>())
}
