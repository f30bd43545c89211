//! Evaluators on a backbone from elsewhere.

use super::arguments::Evaluate;
use super::names::refuse_unknown;
use super::said;
use crate::commands::layers::data_overlay;
use crate::export::manifest;
use crate::observers::Bars;
use crate::runs::{Data, Ledger, Probe};
use crate::system::device;
use crate::usage::needs_file;
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use univip_core::error::brief;
use univip_core::evaluate::Metric;
use univip_core::event::Observer;
use univip_core::nn::backbone_file::{self, Import};
use univip_core::registry::Registry;
use univip_core::tally::Tally;

/// Evaluates the backbone in a file, or in the directory of an export; whether the user stopped it.
pub fn evaluate(asked: &Evaluate, path: &Path, registry: &Registry, stop: &AtomicBool) -> Result<bool> {
    let path = backbone_in(path);
    needs_file("--backbone", &path)?;
    manifest::check(&path)?;
    let probe_data = data_overlay("probe_data", "--probe-data", asked.probe_data.as_deref());
    let recipe = asked.library(&asked.scale, &asked.set, probe_data)?.load(&asked.recipe)?;
    refuse_unknown(&asked.with, Some(&recipe), registry)?;
    let Import { backbone, prefix, left_out } =
        backbone_file::import(&path, &registry.architectures(), &device::best()?)?;
    let names = match &asked.with[..] {
        [] => recipe.settings.evaluators.names.clone(),
        with => with.to_vec(),
    };
    let mut keep = |evaluator: &str, metrics: Vec<Metric>, _: &mut dyn Observer| -> Result<()> {
        said::print(evaluator, &metrics)
    };
    let bars = Bars::new("evaluate", 1);
    for line in taken(&prefix, &left_out) {
        bars.line(&format!("{}: {line}", path.display()));
    }
    let mut progress = bars.run(&path.display().to_string());
    let data = Data::new(registry, &asked.runs);
    let mut probe = Probe::new(&recipe, &data, asked.seed, Ledger::empty(&data));
    let measured = probe.measure(&names, &backbone, &mut progress, stop, &mut keep);
    drop(progress);
    bars.clear();
    said::told(measured?)
}

/// The file of an export's directory, or the file itself. Of a directory that has both files it is not known which was meant.
fn backbone_in(path: &Path) -> PathBuf {
    let mut inside = ["backbone.safetensors", "backbone.pth"].map(|name| path.join(name)).to_vec();
    inside.retain(|file| file.is_file());
    match &inside[..] {
        [file] => file.clone(),
        _ => path.to_path_buf(),
    }
}

/// The part of a file that is evaluated, where it holds more.
fn taken(prefix: &str, left_out: &[String]) -> Vec<String> {
    let mut others = Tally::default();
    left_out.iter().for_each(|name| others.add("other tensor[ is|s are] left out", || brief(name)));
    let prefix = (!prefix.is_empty()).then(|| format!("the backbone is {}*", brief(prefix)));
    prefix.into_iter().chain(others.lines()).collect()
}
