//! Evaluators on a finished pre-training.

use super::arguments::Evaluate;
use super::{refuse_unknown, said};
use crate::commands::layers::data_overlay;
use crate::observers::{Bars, Progress};
use crate::output;
use crate::plan::flatten;
use crate::runs::{
    Data, Ledger, Part, Probe, RunDirectory, TrainedRun, Use, begin_sitting, end_sitting, evaluated,
};
use crate::system::device;
use crate::usage::usage;
use anyhow::Result;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use univip_core::dataset::Split;
use univip_core::evaluate::Metric;
use univip_core::event::Observer;
use univip_core::recipe::{Override, Recipe};
use univip_core::registry::{Kind, Registry};
use univip_run_format::{RunRecord, Status, phase};

/// The settings that a trained run can still be given.
const OF_EVALUATION: [&str; 4] = ["evaluator.", "evaluators.", "probe_data.", "dataset."];

/// Evaluates the run called `name`; whether the user stopped it.
pub fn evaluate(asked: &Evaluate, name: &str, registry: &Registry, stop: &AtomicBool) -> Result<bool> {
    refuse_training(&asked.set)?;
    let run = TrainedRun::find(name, &asked.runs).or_else(|error| {
        // A name that no recipe could know is the nearer mistake.
        refuse_unknown(&asked.with, None, registry)?;
        Err(error)
    })?;
    let directory = RunDirectory::open(&run.path)?;
    let recipes = Recipes::of(asked, &run, registry)?;
    refuse_unknown(&asked.with, Some(&recipes.used), registry)?;
    let names = match &asked.with[..] {
        [] => directory.unmeasured(&recipes.used.settings.evaluators.names)?,
        with => with.to_vec(),
    };
    if names.is_empty() {
        nothing_left(&recipes.used.settings.evaluators.names)?;
        settle(&directory, run.record, recipes.planned())?;
        return Ok(false);
    }
    let backbone = run.backbone(&recipes.used, &device::best()?)?;
    let mut record = run.record;
    begin_sitting(&mut record)?;
    let begin = Instant::now();
    let bars = Bars::new("evaluate", 1);
    let mut progress = bars.run(name);
    let data = Data::new(registry, run.path.parent().unwrap_or(&asked.runs));
    let Kept { ledger, set } = recipes.kept(&record, &data, &mut progress, stop)?;
    let mut keep = |evaluator: &str, metrics: Vec<Metric>, _: &mut dyn Observer| -> Result<()> {
        directory.append_evaluations(&evaluated(evaluator, &metrics, &set))?;
        said::print(evaluator, &metrics)
    };
    let mut probe = Probe::new(&recipes.used, &data, record.seed, ledger);
    let measured = probe.measure(&names, &backbone, &mut progress, stop, &mut keep);
    drop(progress);
    bars.clear();
    // Whatever became of them, the record tells how the run stands now.
    if set.is_empty() {
        probe.ledger().record(&mut record);
    }
    // Time spent with other settings is no time of the recipe's.
    let phase = if set.is_empty() { phase::EVALUATE } else { phase::EVALUATE_OTHERWISE };
    *record.seconds.entry(phase.into()).or_default() += begin.elapsed().as_secs_f64();
    end_sitting(&mut record)?;
    settle(&directory, record, recipes.planned())?;
    said::told(measured?)
}

/// Refuses settings of what is over.
fn refuse_training(sets: &[String]) -> Result<()> {
    let foreign = |set: &&String| !OF_EVALUATION.iter().any(|section| set.trim().starts_with(section));
    let Some(set) = sets.iter().find(foreign) else { return Ok(()) };
    let problem =
        "the run is trained; what can be set now is evaluator.*, evaluators.*, probe_data.* and dataset.*";
    Err(usage(set, problem.into()))
}

fn nothing_left(names: &[String]) -> Result<()> {
    output::print(match names {
        [] => "its recipe names no evaluator; name one with --with\n".to_string(),
        names => format!("already measured: {}; name one with --with to repeat it\n", names.join(", ")),
    })
}

/// The recipe of a run, and the one that it is evaluated with.
struct Recipes {
    own: Recipe,
    used: Recipe,
    /// The differences, as `key=value`.
    set: Vec<String>,
}

/// The data and the settings that numbers are kept under.
struct Kept {
    ledger: Ledger,
    set: Vec<String>,
}

impl Recipes {
    fn of(asked: &Evaluate, run: &TrainedRun, registry: &Registry) -> Result<Self> {
        let probe_data = data_overlay("probe_data", "--probe-data", asked.probe_data.as_deref());
        let mut set = asked.set.clone();
        set.extend(probe_data.iter().map(|overlay| format!("{}={}", overlay.key, overlay.value)));
        let own = run.recipe(Vec::new(), Vec::new())?;
        let mut overlays = of_scale(asked, &run.record.scale, &own.settings.evaluators.names, registry)?;
        overlays.extend(probe_data);
        let used = run.recipe(overlays, asked.set.clone())?;
        Ok(Self { own, used, set })
    }

    /// The evaluators of the run's recipe.
    fn planned(&self) -> &[String] {
        &self.own.settings.evaluators.names
    }

    /// Compares the data of both.
    fn kept(
        &self,
        record: &RunRecord,
        data: &Data<'_>,
        progress: &mut Progress,
        stop: &AtomicBool,
    ) -> Result<Kept> {
        let (ledger, mut set) = (Ledger::of(record, data), self.set.clone());
        if data_settings(&self.own) == data_settings(&self.used) {
            return Ok(Kept { ledger, set });
        }
        if !self.are_known(&ledger, data, progress, stop)? {
            // Numbers on other images are kept apart, by the settings.
            return Ok(Kept { ledger: Ledger::empty(data), set });
        }
        // The images are those of the run, wherever they lie.
        let says_where = |key: &str| key == "probe_data.use" || data.registry().is_place(key);
        set.retain(|set| !set.split_once('=').is_some_and(|(key, _)| says_where(key.trim())));
        Ok(Kept { ledger, set })
    }

    /// True when the labelled images are those that the run has been measured on.
    fn are_known(
        &self,
        ledger: &Ledger,
        data: &Data<'_>,
        progress: &mut Progress,
        stop: &AtomicBool,
    ) -> Result<bool> {
        for split in [Split::Train, Split::Val] {
            let part: Part = data.part(&self.used, Use::Probing, split)?;
            data.look(&part, progress, stop)?;
            if !ledger.knows(&part) {
                return Ok(false);
            }
        }
        Ok(true)
    }
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

/// The settings that a scale has for evaluators that the run's recipe does not name, and so says nothing of. Measurements with names of
/// their own are said by `--set` alone.
fn of_scale(asked: &Evaluate, scale: &str, planned: &[String], registry: &Registry) -> Result<Vec<Override>> {
    let evaluators = registry.names(Kind::Evaluator);
    let mut new: Vec<&String> = asked.with.iter().filter(|name| !planned.contains(name)).collect();
    new.retain(|name| evaluators.contains(&name.as_str()));
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let sets = [format!("evaluators.use={}", serde_json::to_string(&new)?)];
    let recipe = asked.library(scale, &sets, Vec::new())?.load("base")?;
    let mut overlays = Vec::new();
    flatten("evaluator", &recipe.resolved()["evaluator"], &mut |key, value| {
        overlays.push(Override { key, value: value.to_string(), origin: format!("scale {scale}") });
    });
    Ok(overlays)
}
