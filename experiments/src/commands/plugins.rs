//! `univip plugins`: the plugins of this binary.

use super::exit::DONE;
use crate::output;
use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use univip_core::recipe::Table;
use univip_core::registry::{Kind, Registration, Registry};

/// `univip plugins`
#[derive(Args)]
pub struct Plugins {
    /// Print JSON, with the settings of each plugin and their defaults
    #[arg(long)]
    json: bool,
}

impl Plugins {
    /// Prints a line per plugin, by kind, or all as JSON.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn run(&self, registry: &Registry) -> Result<u8> {
        if self.json {
            let plugins: Vec<Value> = registry.all().iter().map(|plugin| as_json(plugin)).collect();
            output::print(format_args!("{:#}\n", Value::from(plugins)))?;
        } else {
            let groups = Kind::ALL.map(|kind| group(kind, registry));
            output::print(groups.join("\n"))?;
        }
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

/// The defaults are null where a table must say something, such as where a dataset lies.
fn as_json(plugin: &Registration) -> Value {
    json!({
        "kind": plugin.kind().name(),
        "name": plugin.name,
        "crate": plugin.crate_name,
        "version": plugin.version,
        "summary": plugin.summary,
        "places": plugin.places,
        "defaults": (plugin.resolve)(&Table::of("")).ok(),
    })
}
