//! `univip evaluate`: evaluators on a run that is there, or on a backbone from elsewhere.

use crate::export::manifest;
use crate::observers::Bars;
use crate::plan::{Library, flatten, usage};
use crate::runs::data::{Data, Ledger, Use};
use crate::runs::directory::{Evaluated, RunDirectory, RunRecord, Status};
use crate::runs::measure::{Measured, Probe};
use crate::runs::trained::TrainedRun;
use crate::system::device;
use crate::{data_overlay, library_with, needs_file, output};
use anyhow::{Result, bail, ensure};
use clap::Args;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use univip_core::backbone_file::{self, Import};
use univip_core::dataset::Split;
use univip_core::error::brief;
use univip_core::evaluate::Metric;
use univip_core::event::Observer;
use univip_core::recipe::{Override, Recipe};
use univip_core::registry::{Kind, Registry};
use univip_core::tally::Tally;

/// `univip evaluate`
#[derive(Args)]
pub struct Evaluate {
    /// A run: its directory, or the beginning of its name in --runs (table7-e)
    #[arg(conflicts_with = "backbone")]
    run: Option<String>,
    /// A backbone in a safetensors file or one of torch.save (.pth), or the directory of an export: a resnet18 or
    /// resnet50 of any width, with torchvision's names or detectron2's, alone or in a checkpoint
    #[arg(long, value_name = "FILE")]
    backbone: Option<PathBuf>,
    /// The evaluators; without it those of the recipe that the run has no numbers of
    #[arg(long, value_delimiter = ',', value_name = "NAME,...")]
    with: Vec<String>,
    /// A setting of the evaluators or their data, as a.b=c; later ones win
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The labelled images to measure on (image-folder=DIR)
    #[arg(long, value_name = "NAME[=ROOT]")]
    probe_data: Option<String>,
    /// Where run directories are kept
    #[arg(long, default_value = "runs")]
    runs: PathBuf,
    /// For --backbone: the recipe whose evaluators and probe data are used
    #[arg(long, default_value = "base", conflicts_with = "run")]
    recipe: String,
    /// For --backbone: the scale of that recipe
    #[arg(long, default_value = "small", conflicts_with = "run")]
    scale: String,
    /// For --backbone: the seed of the evaluators
    #[arg(long, default_value_t = 0, conflicts_with = "run")]
    seed: u64,
}

/// Shown by `univip evaluate --help`.
pub const EXAMPLES: &str = "Examples:
  univip evaluate table7-e                          what its recipe names and is not measured yet
  univip evaluate table7-e --with knn --set evaluator.knn.k=200
  univip evaluate runs/table7-e-0123456789ab-s0 --with linear-probe,semi-supervised
  univip evaluate --backbone resnet50.safetensors --with knn --probe-data image-folder=DIR
  univip evaluate --backbone moco_v2_800ep_pretrain.pth.tar --with knn
  univip evaluate --backbone runs/table7-e-0123456789ab-s0/export/detectron2 --with knn

Numbers of a run are appended to its evaluations.jsonl, those of a file are only printed.
An evaluator that fails costs the others nothing.
Exit codes: 0 done, 1 an evaluator or a file failed (the message says which), 2 a command that cannot be used, 130 stopped
by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.";

/// What can be set of a run that is trained.
const OF_EVALUATION: [&str; 4] = ["evaluator.", "evaluators.", "probe_data.", "dataset."];

/// Runs `univip evaluate`; whether the user stopped it.
///
/// # Errors
/// [`univip_core::error::RecipeError`] when it cannot be used as it is; which evaluators failed, after the others ran.
pub fn evaluate(asked: &Evaluate, registry: &Registry, stop: &AtomicBool) -> Result<bool> {
    for name in &asked.with {
        registry.get(Kind::Evaluator, name, "command line", "--with")?;
    }
    match (&asked.run, &asked.backbone) {
        (Some(run), _) => of_run(asked, run, registry, stop),
        (None, Some(_)) => of_file(asked, registry, stop),
        (None, None) => Err(usage("RUN", "name a run or give --backbone".into())),
    }
}

fn of_run(asked: &Evaluate, name: &str, registry: &Registry, stop: &AtomicBool) -> Result<bool> {
    let foreign = |set: &&String| !OF_EVALUATION.iter().any(|section| set.trim().starts_with(section));
    if let Some(set) = asked.set.iter().find(foreign) {
        let problem = "the run is trained; what can be set now is evaluator.*, evaluators.*, probe_data.* and dataset.*";
        return Err(usage(set, problem.into()));
    }
    let run = TrainedRun::find(name, &asked.runs)?;
    let directory = RunDirectory::open(&run.path)?;
    let probe_data = data_overlay("probe_data", "--probe-data", asked.probe_data.as_deref());
    let mut set = asked.set.clone();
    set.extend(probe_data.iter().map(|overlay| format!("{}={}", overlay.key, overlay.value)));
    let own = run.recipe(Vec::new(), Vec::new())?;
    let planned = own.settings.evaluators.names.clone();
    let mut overlays = of_scale(&run.record.scale, &asked.with, &planned)?;
    overlays.extend(probe_data);
    let recipe = run.recipe(overlays, asked.set.clone())?;
    let names = match &asked.with[..] {
        [] => directory.unmeasured(&recipe.settings.evaluators.names)?,
        with => with.to_vec(),
    };
    if names.is_empty() {
        output::print(match &recipe.settings.evaluators.names[..] {
            [] => "its recipe names no evaluator; name one with --with\n".to_string(),
            names => format!("measured already: {}; name one with --with to repeat it\n", names.join(", ")),
        })?;
        settle(&directory, run.record, &planned)?;
        return Ok(false);
    }
    let backbone = run.backbone(&recipe, &device::best()?)?;
    let begin = Instant::now();
    let bars = Bars::new("evaluate", 1);
    let mut progress = bars.run(name);
    let data = Data::new(registry, run.path.parent().unwrap_or(&asked.runs));
    let mut ledger = Ledger::of(&run.record, &data);
    if data_settings(&own) != data_settings(&recipe) {
        if knows_all(&ledger, &recipe, &data, &mut progress, stop)? {
            // The images are those of the run, wherever they lie.
            let says_where = |key: &str| key == "probe_data.use" || registry.is_place(key);
            set.retain(|set| !set.split_once('=').is_some_and(|(key, _)| says_where(key.trim())));
        } else {
            // What is measured on them is kept apart, by what was set.
            ledger = Ledger::empty(&data);
        }
    }
    let mut keep = |evaluator: &str, metrics: Vec<Metric>, _: &mut dyn Observer| -> Result<()> {
        let entry = |metric: &Metric| Evaluated {
            evaluator: evaluator.into(),
            metric: metric.clone(),
            set: set.clone(),
        };
        directory.append_evaluations(&metrics.iter().map(entry).collect::<Vec<_>>())?;
        print(evaluator, &metrics)
    };
    let mut probe = Probe::new(&recipe, &data, run.record.seed, ledger);
    let measured = probe.measure(&names, &backbone, &mut progress, stop, &mut keep);
    drop(progress);
    bars.clear();
    // Whatever became of them, the record tells how the run stands now.
    let mut record: RunRecord = run.record;
    if set.is_empty() {
        probe.ledger().record(&mut record);
    }
    // What was measured otherwise is no time of the recipe's.
    let phase = if set.is_empty() { "evaluate" } else { "evaluate-otherwise" };
    *record.seconds.entry(phase.into()).or_default() += begin.elapsed().as_secs_f64();
    settle(&directory, record, &planned)?;
    told(measured?)
}

/// Whether the labelled images of a recipe are those that the run has been measured on.
fn knows_all(
    ledger: &Ledger,
    recipe: &Recipe,
    data: &Data<'_>,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<bool> {
    for split in [Split::Train, Split::Val] {
        let part = data.part(recipe, Use::Probing, split)?;
        data.look(&part, observer, stop)?;
        if !ledger.knows(&part) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// All that a recipe says of its data.
fn data_settings(recipe: &Recipe) -> [&serde_json::Value; 3] {
    ["data", "probe_data", "dataset"].map(|section| &recipe.resolved()[section])
}

/// Writes the record of a run, which is finished when all that its recipe names is measured.
fn settle(directory: &RunDirectory, mut record: RunRecord, planned: &[String]) -> Result<()> {
    if directory.unmeasured(planned)?.is_empty() {
        (record.status, record.error) = (Status::Finished, None);
    }
    directory.write_record(&record)
}

/// What a scale says of the evaluators `names` that a run's recipe does not name, and so says nothing of.
fn of_scale(scale: &str, names: &[String], planned: &[String]) -> Result<Vec<Override>> {
    let new: Vec<&String> = names.iter().filter(|name| !planned.contains(name)).collect();
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let sets = [format!("evaluators.use={}", serde_json::to_string(&new)?)];
    let recipe = library_with(scale, &sets, Vec::new()).load("base")?;
    let mut overlays = Vec::new();
    flatten("evaluator", &recipe.resolved()["evaluator"], &mut |key, value| {
        overlays.push(Override { key, value: value.to_string(), origin: format!("scale {scale}") });
    });
    Ok(overlays)
}

fn of_file(asked: &Evaluate, registry: &Registry, stop: &AtomicBool) -> Result<bool> {
    let Some(path) = &asked.backbone else { bail!("no backbone is given") };
    let mut inside = ["backbone.safetensors", "backbone.pth"].map(|name| path.join(name)).to_vec();
    inside.retain(|file| file.is_file());
    // Of a directory that has both it is not known which was meant.
    let path = if let [file] = &inside[..] { file } else { path };
    needs_file("--backbone", path)?;
    manifest::check(path)?;
    let library: Library = library_with(
        &asked.scale,
        &asked.set,
        data_overlay("probe_data", "--probe-data", asked.probe_data.as_deref()),
    );
    let recipe: Recipe = library.load(&asked.recipe)?;
    let Import { backbone, prefix, left_out } = backbone_file::import(path, &device::best()?)?;
    let names = match &asked.with[..] {
        [] => recipe.settings.evaluators.names.clone(),
        with => with.to_vec(),
    };
    let mut keep = |evaluator: &str, metrics: Vec<Metric>, _: &mut dyn Observer| -> Result<()> {
        print(evaluator, &metrics)
    };
    let bars = Bars::new("evaluate", 1);
    for line in taken(&prefix, &left_out) {
        bars.line(&format!("{}: {line}", path.display()));
    }
    let mut progress = bars.run(&path.display().to_string());
    let data = Data::new(registry, &asked.runs);
    let measured = Probe::new(&recipe, &data, asked.seed, Ledger::empty(&data)).measure(
        &names,
        &backbone,
        &mut progress,
        stop,
        &mut keep,
    );
    drop(progress);
    bars.clear();
    told(measured?)
}

/// What of a file is measured, where it holds more.
fn taken(prefix: &str, left_out: &[String]) -> Vec<String> {
    let mut others = Tally::default();
    left_out.iter().for_each(|name| others.add("other tensors are left out", || brief(name)));
    let prefix = (!prefix.is_empty()).then(|| format!("the backbone is {}*", brief(prefix)));
    prefix.into_iter().chain(others.lines()).collect()
}

fn told(measured: Measured) -> Result<bool> {
    let Measured { mut failures, not_applicable, stopped } = measured;
    // Asked for by name, it has failed.
    failures.extend(not_applicable);
    ensure!(failures.is_empty(), "{}; what the others measured is kept", failures.join("; "));
    Ok(stopped)
}

fn print(evaluator: &str, metrics: &[Metric]) -> Result<()> {
    let width = metrics.iter().map(|metric| metric.name.len()).fold(12, usize::max);
    metrics.iter().try_for_each(|Metric { name, value, protocol, split, images, passed_over }| {
        let without = match passed_over {
            0 => String::new(),
            count => format!(" ({count} of train and val passed over)"),
        };
        output::print(format_args!(
            "{evaluator:<16} {name:<width$} {value:>7.2}  {protocol}, {images} images{without}, split {split}\n"
        ))
    })
}
