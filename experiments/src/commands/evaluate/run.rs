//! Evaluators on a finished pre-training.

use super::arguments::Evaluate;
use super::names::refuse_unknown;
use super::said;
use crate::commands::layers::data_overlay;
use crate::observers::{Bars, Progress};
use crate::output;
use crate::plan::flatten;
use crate::runs::{
    Data, Known, Laps, Ledger, Origin, Part, Probe, RunDirectory, TrainedRun, Use, begin_sitting,
    end_sitting, of_evaluation,
};
use crate::system::device;
use crate::usage::usage;
use anyhow::Result;
use std::sync::atomic::AtomicBool;
use univip_core::assemble::Assembly;
use univip_core::dataset::Split;
use univip_core::evaluate::Metric;
use univip_core::event::Observer;
use univip_core::recipe::{Measurement, Override, Recipe};
use univip_core::registry::{Kind, Registry};
use univip_run_format::{RunRecord, Status};

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
    let measurements = recipes.wanted(asked, &directory)?;
    if measurements.is_empty() {
        nothing_left(&recipes.used.settings.evaluators.names)?;
        settle(&directory, run.record, &recipes.planned)?;
        return Ok(false);
    }
    let backbone = run.backbone(&recipes.used, &device::best()?)?;
    let mut record = run.record;
    begin_sitting(&mut record)?;
    let bars = Bars::new("evaluate", 1);
    let mut progress = bars.run(name);
    let data = Data::new(registry, run.path.parent().unwrap_or(&asked.runs));
    let kept = recipes.kept(&record, &data, &mut progress, stop)?;
    let mut laps = Laps::start();
    let mut keep = |name: &str, metrics: Vec<Metric>, _: &mut dyn Observer| -> Result<()> {
        if let Some(measurement) = measurements.iter().find(|each| each.name == name) {
            laps.keep(&directory, &mut record, &kept.origin(measurement, &recipes.used), &metrics)?;
        }
        said::print(name, &metrics)
    };
    let names: Vec<String> = measurements.iter().map(|each| each.name.clone()).collect();
    let mut probe = Probe::new(&recipes.used, &data, kept.seed, kept.ledger(&data));
    let measured = probe.measure(&names, &backbone, &mut progress, stop, &mut keep);
    drop(progress);
    bars.clear();
    laps.end(&mut record, of_evaluation(&kept.set));
    // Whatever became of them, the record tells how the run stands now.
    if kept.ledger.is_some() {
        probe.ledger().record(&mut record);
    }
    end_sitting(&mut record)?;
    settle(&directory, record, &recipes.planned)?;
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
struct Recipes<'a> {
    own: Recipe,
    used: Recipe,
    /// The measurements of the run's recipe.
    planned: Vec<Measurement>,
    /// The differences, as `key=value`.
    set: Vec<String>,
    registry: &'a Registry,
}

/// The data and the settings that numbers are kept under.
struct Kept {
    /// The record as it was, for a ledger of it; none for numbers on other images than the run's.
    ledger: Option<RunRecord>,
    set: Vec<String>,
    seed: u64,
}

impl Kept {
    /// The origin of a measurement's numbers. Those of other images than the run's stand for none of its measurements.
    fn origin(&self, Measurement { name, digest, .. }: &Measurement, recipe: &Recipe) -> Origin {
        Origin {
            name: name.clone(),
            digest: self.ledger.is_some().then(|| digest.clone()),
            probe_data: recipe.settings.probe_data.name.clone(),
            set: self.set.clone(),
        }
    }

    fn ledger(&self, data: &Data<'_>) -> Ledger {
        self.ledger.as_ref().map_or_else(|| Ledger::empty(data), |record| Ledger::of(record, data))
    }
}

impl<'a> Recipes<'a> {
    fn of(asked: &Evaluate, run: &TrainedRun, registry: &'a Registry) -> Result<Self> {
        let probe_data = data_overlay("probe_data", "--probe-data", asked.probe_data.as_deref());
        let mut set = asked.set.clone();
        set.extend(probe_data.iter().map(|overlay| format!("{}={}", overlay.key, overlay.value)));
        let own = run.recipe(Vec::new(), Vec::new())?;
        let mut overlays = of_scale(asked, &run.record.scale, &own.settings.evaluators.names, registry)?;
        overlays.extend(probe_data);
        let used = run.recipe(overlays, asked.set.clone())?;
        refuse_unknown(&asked.with, Some(&used), registry)?;
        let planned = Assembly::new(&own, registry).measurements(&own.settings.evaluators.names)?;
        Ok(Self { own, used, planned, set, registry })
    }

    /// The measurements to make: those that are named, or else those of the recipe that are not there.
    fn wanted(&self, asked: &Evaluate, directory: &RunDirectory) -> Result<Vec<Measurement>> {
        let parts = Assembly::new(&self.used, self.registry);
        match &asked.with[..] {
            [] => {
                let all = parts.measurements(&self.used.settings.evaluators.names)?;
                directory.unmeasured(&all, &self.planned)
            }
            with => parts.measurements(with),
        }
    }

    /// Compares the data of both.
    fn kept(
        &self,
        record: &RunRecord,
        data: &Data<'_>,
        progress: &mut Progress,
        stop: &AtomicBool,
    ) -> Result<Kept> {
        let kept = |ledger: Option<&RunRecord>, set| Kept { ledger: ledger.cloned(), set, seed: record.seed };
        let mut set = self.set.clone();
        if data_settings(&self.own) == data_settings(&self.used) {
            return Ok(kept(Some(record), set));
        }
        let ledger = Ledger::of(record, data);
        let mut known = Vec::new();
        for split in [Split::Train, Split::Val] {
            let part: Part = data.part(&self.used, Use::Probing, split)?;
            data.look(&part, progress, stop)?;
            known.push(ledger.known(&part));
        }
        if known.contains(&Known::Changed) {
            // They are kept apart, by the settings.
            return Ok(kept(None, set));
        }
        if known.iter().all(|known| *known == Known::Same) {
            // The images are those of the run, wherever they lie.
            let says_where = |key: &str| key == "probe_data.use" || data.registry().is_place(key);
            set.retain(|set| !set.split_once('=').is_some_and(|(key, _)| says_where(key.trim())));
        }
        Ok(kept(Some(record), set))
    }
}

/// All that a recipe says of its data.
fn data_settings(recipe: &Recipe) -> [&serde_json::Value; 3] {
    ["data", "probe_data", "dataset"].map(|section| &recipe.resolved()[section])
}

/// Writes the record of a run, which is finished when all that its recipe names is measured.
fn settle(directory: &RunDirectory, mut record: RunRecord, planned: &[Measurement]) -> Result<()> {
    if directory.unmeasured(planned, planned)?.is_empty() {
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
