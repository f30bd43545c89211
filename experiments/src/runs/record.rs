//! The record of a run, and of the processes that work on it.

use super::job::Job;
use super::processes::{LIVE, ONLY};
use crate::system::{build, clock, machine};
use anyhow::Result;
use std::collections::BTreeMap;
use univip_core::recipe::Recipe;
use univip_core::registry::{Kind, Registration, Registry};
use univip_run_format::{RunRecord, Sitting, Status};

/// The record of a run that begins now.
pub fn begin(job: &Job<'_>, fingerprint: &str, registry: &Registry) -> Result<RunRecord> {
    let settings = &job.recipe.settings;
    Ok(RunRecord {
        status: Status::Running,
        error: None,
        name: job.name.into(),
        seed: job.seed,
        fingerprint: fingerprint.into(),
        scale: job.scale.into(),
        data: settings.data.name.clone(),
        data_digest: String::new(),
        trained: false,
        measurements: BTreeMap::new(),
        digests: BTreeMap::new(),
        probe_data: settings.probe_data.name.clone(),
        version: build::here().version,
        machine: Some(machine::here()),
        started: clock::seconds()?,
        seconds: BTreeMap::new(),
        peak_memory_bytes: None,
        steps: 0,
        parameters: 0,
        plugins: plugins(job.recipe, registry),
        sittings: Vec::new(),
    })
}

/// The plugins that a recipe uses, with their crates and versions.
fn plugins(recipe: &Recipe, registry: &Registry) -> BTreeMap<String, String> {
    let mut used = BTreeMap::new();
    for kind in Kind::ALL {
        // The resolved values have a table for each plugin in use.
        let tables = recipe.resolved()[kind.name()].as_object();
        for (name, table) in tables.into_iter().flatten() {
            // The tables of heads and measurements are called as the recipe likes; their plugin is named inside.
            let inside = match kind {
                Kind::Head => table["plugin"].as_str(),
                Kind::Evaluator => table["use"].as_str(),
                _ => None,
            };
            let name = inside.unwrap_or(name);
            let of_name = |plugin: &&&Registration| plugin.kind() == kind && plugin.name == name;
            if let Some(plugin) = registry.all().iter().find(of_name) {
                let version = format!("{} {}", plugin.crate_name, plugin.version);
                used.insert(format!("{} {name}", kind.name()), version);
            }
        }
    }
    // One without settings has no table.
    let backbone = &recipe.settings.network.backbone;
    let of_name = |plugin: &&&Registration| plugin.kind() == Kind::Backbone && plugin.name == backbone;
    if let Some(plugin) = registry.all().iter().find(of_name) {
        used.insert(format!("backbone {backbone}"), format!("{} {}", plugin.crate_name, plugin.version));
    }
    used
}

/// Notes the plugins of all recipes that ask for measurements.
pub fn note_plugins(record: &mut RunRecord, job: &Job<'_>, registry: &Registry) {
    for asked in &job.asked {
        record.plugins.extend(plugins(&asked.recipe, registry));
    }
}

/// Notes that this process works on the run from now on.
pub fn begin_sitting(record: &mut RunRecord) -> Result<()> {
    let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    record.sittings.push(Sitting {
        started: clock::seconds()?,
        ended: None,
        host: machine::host(),
        // As the user gave it.
        command: arguments.filter(|argument| !argument.starts_with(ONLY) && argument != LIVE).collect(),
        build: build::here(),
    });
    Ok(())
}

/// Notes that it no longer does.
pub fn end_sitting(record: &mut RunRecord) -> Result<()> {
    let now = clock::seconds()?;
    if let Some(sitting) = record.sittings.last_mut() {
        sitting.ended = Some(now);
    }
    Ok(())
}
