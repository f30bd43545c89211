//! One run, from a recipe and a seed to measured numbers in a directory.

use crate::observers::{JsonLines, Observers, Progress, Tensorboard};
use crate::run_directory::{Evaluated, RunDirectory, RunRecord, Status, read_record};
use crate::{device, machine, proposals};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use univip_core::augment::Renderer;
use univip_core::checkpoint::Checkpoints;
use univip_core::dataset::{Dataset, Limited, Split};
use univip_core::engine::Engine;
use univip_core::error::Interrupted;
use univip_core::evaluate::{EvaluationContext, Metric};
use univip_core::event::{Event, Observer};
use univip_core::files::write_atomic;
use univip_core::nn::layout::to_torchvision;
use univip_core::proposals::{BuildOptions, Proposals};
use univip_core::recipe::{ProbeDataChoice, Recipe};
use univip_core::registry::{Kind, Registry};

/// A recipe to run with a seed, and where.
pub struct Job<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// `table7-e`.
    pub name: &'a str,
    /// The scale's name.
    pub scale: &'a str,
    /// The seed.
    pub seed: u64,
    /// Where run directories and the proposals' store are.
    pub runs: &'a Path,
    /// Whether to start anew, whatever is there.
    pub force: bool,
}

/// Whether a run with that name, fingerprint and seed is finished.
pub fn finished(runs: &Path, name: &str, fingerprint: &str, seed: u64) -> Result<bool> {
    let directory = RunDirectory::find(runs, name, fingerprint, seed)?;
    Ok(read_record(&directory)?.is_some_and(|record| record.status == Status::Finished))
}

/// Runs the job or what is left of it, and returns its directory.
///
/// # Errors
/// Whatever stops it; `run.json` then says why. [`Interrupted`] when `stop` was set.
pub fn run(job: &Job<'_>, registry: &Registry, progress: Progress, stop: &AtomicBool) -> Result<PathBuf> {
    let fingerprint = job.recipe.fingerprint();
    let directory = RunDirectory::find(job.runs, job.name, &fingerprint, job.seed)?;
    let directory = RunDirectory::open(&directory)?;
    if job.force {
        directory.clear()?;
    }
    let settings = &job.recipe.settings;
    let mut record = match read_record(directory.path())? {
        Some(record) => record,
        None => {
            let (data, probe_data) = (&settings.data.name, &settings.probe_data.name);
            RunRecord::begin(job.name, job.seed, &fingerprint, job.scale, data, probe_data)?
        }
    };
    if record.status == Status::Finished {
        return Ok(directory.path().to_path_buf());
    }
    (record.status, record.error) = (Status::Running, None);
    directory.write_record(&record)?;
    write_atomic(&directory.file("recipe.toml"), job.recipe.show().as_bytes())?;
    machine::reset_peak_memory();
    let mut observers = Observers(vec![
        Box::new(JsonLines::new(&directory.file("metrics.jsonl"))),
        Box::new(Tensorboard::new(directory.path())),
        Box::new(progress),
    ]);
    let outcome = phases(job, registry, &directory, &mut record, &mut observers, stop);
    record.peak_memory_bytes = machine::peak_memory().max(record.peak_memory_bytes);
    record.status = match &outcome {
        Ok(()) => Status::Finished,
        Err(error) if error.is::<Interrupted>() => Status::Interrupted,
        Err(_) => Status::Failed,
    };
    record.error = outcome.as_ref().err().map(|error| format!("{error:#}"));
    directory.write_record(&record)?;
    outcome.map(|()| directory.path().to_path_buf())
}

fn phases(
    job: &Job<'_>,
    registry: &Registry,
    directory: &RunDirectory,
    record: &mut RunRecord,
    observers: &mut Observers,
    stop: &AtomicBool,
) -> Result<()> {
    let settings = &job.recipe.settings;
    let device = device::best()?;
    let mut clock = Instant::now();
    let mut lap = |record: &mut RunRecord, phase: &str| {
        *record.seconds.entry(phase.into()).or_default() += clock.elapsed().as_secs_f64();
        clock = Instant::now();
    };
    let dataset = open(job.recipe, registry, "data.use", &settings.data.name, Split::Train)?;
    let dataset = Arc::new(Limited::first(dataset, settings.data.limit));
    record.check_data(&dataset.digest())?;
    warn_of(&settings.data.name, &*dataset, observers)?;

    let proposals = proposals(job, registry, &dataset, observers, stop)?;
    lap(record, "proposals");

    let mut engine = Engine::new(job.recipe, registry, job.seed, dataset, Arc::new(proposals), &device)?;
    record.steps = engine.steps();
    let backbone = engine.networks().backbone_tensors();
    record.parameters = backbone.values().map(|tensor| tensor.elem_count()).sum();
    let checkpoints = Checkpoints::open(&directory.file("checkpoints"), settings.train.keep)?;
    let trained = engine.train(&checkpoints, observers, stop);
    lap(record, "train");
    trained?;
    let tensors = to_torchvision(&engine.networks().backbone_tensors())?;
    write_atomic(&directory.file("backbone.safetensors"), &safetensors::serialize(&tensors, None)?)?;

    let evaluated = evaluate(job, registry, directory, &engine, observers, stop);
    lap(record, "evaluate");
    evaluated
}

/// The proposals of the recipe, computed and stored as far as they are needed and not there yet.
fn proposals(
    job: &Job<'_>,
    registry: &Registry,
    dataset: &Limited,
    observers: &mut Observers,
    stop: &AtomicBool,
) -> Result<Proposals> {
    let settings = &job.recipe.settings;
    let proposals = proposals::open(job.recipe, registry, dataset.whole(), job.runs)?;
    // An untrained backbone needs no boxes, nor does a run without instances.
    if settings.train.epochs > 0 && settings.views.instances > 0 {
        let options = BuildOptions { threads: 0, broken: settings.loader.broken };
        let mut progress = |done, total| -> Result<()> {
            if stop.load(Ordering::Relaxed) {
                return Err(Interrupted { step: 0 }.into());
            }
            observers.observe(&Event::Progress { task: "proposals".into(), done, total })
        };
        let skipped = proposals.build(dataset.whole(), dataset.len(), options, &mut progress)?;
        for skipped in skipped {
            observers.observe(&Event::Warning { message: format!("no boxes: {skipped}") })?;
        }
    }
    Ok(proposals)
}

/// Runs the evaluators that have not been run; one that fails does not keep the others from running.
fn evaluate(
    job: &Job<'_>,
    registry: &Registry,
    directory: &RunDirectory,
    engine: &Engine,
    observers: &mut Observers,
    stop: &AtomicBool,
) -> Result<()> {
    let (recipe, settings) = (job.recipe, &job.recipe.settings);
    let done: Vec<String> = directory.evaluations()?.into_iter().map(|each| each.evaluator).collect();
    let missing: Vec<&String> =
        settings.evaluators.names.iter().filter(|name| !done.contains(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let ProbeDataChoice { name, train_limit, val_limit, image_size } = &settings.probe_data;
    let split = |split, limit: usize| -> Result<Limited> {
        Ok(Limited::drawn(open(recipe, registry, "probe_data.use", name, split)?, limit))
    };
    let (train, val) = (split(Split::Train, *train_limit)?, split(Split::Val, *val_limit)?);
    for dataset in [&train, &val] {
        warn_of(name, dataset, observers)?;
    }
    let backbone = engine.networks().frozen_backbone()?;
    let renderer = Renderer::new(&settings.augment);
    let mut failures = Vec::new();
    for name in missing {
        if stop.load(Ordering::Relaxed) {
            return Err(Interrupted { step: engine.steps() }.into());
        }
        let plugin =
            registry.get(Kind::Evaluator, name, &recipe.origin("evaluators.use"), "evaluators.use")?;
        let evaluator = plugin.evaluator(&recipe.table(Kind::Evaluator, name))?;
        let mut progress = |done, total, task: &str| {
            // Drawing a bar cannot fail; the observers that write ignore progress.
            let _ = observers.observe(&Event::Progress { task: task.into(), done, total });
        };
        let context = EvaluationContext {
            backbone: &backbone,
            train: &train,
            val: &val,
            seed: job.seed,
            image_size: *image_size,
            renderer: &renderer,
            progress: &mut progress,
        };
        match evaluator.evaluate(context) {
            Ok(metrics) => {
                let entry = |metric: Metric| Evaluated { evaluator: name.clone(), metric };
                let evaluated: Vec<Evaluated> = metrics.into_iter().map(entry).collect();
                directory.append_evaluations(&evaluated)?;
                for Evaluated { evaluator, metric } in evaluated {
                    observers.observe(&Event::Evaluation { evaluator, metric })?;
                }
            }
            Err(error) => failures.push(format!("evaluator `{name}`: {error:#}")),
        }
    }
    ensure!(
        failures.is_empty(),
        "{}; the pre-training is kept, run again to repeat the evaluation",
        failures.join("; ")
    );
    Ok(())
}

/// Says what of a dataset could not be used.
fn warn_of(name: &str, dataset: &dyn Dataset, observers: &mut Observers) -> Result<()> {
    for line in dataset.passed_over().lines() {
        observers.observe(&Event::Warning { message: format!("{name}: {line}") })?;
    }
    Ok(())
}

/// Opens a split of the dataset that the recipe names at `key`.
pub fn open(
    recipe: &Recipe,
    registry: &Registry,
    key: &str,
    name: &str,
    split: Split,
) -> Result<Box<dyn Dataset>> {
    let plugin = registry.get(Kind::Dataset, name, &recipe.origin(key), key)?;
    let dataset = plugin.dataset(&recipe.table(Kind::Dataset, name), split);
    dataset.with_context(|| format!("dataset `{name}`, split {}", split.name()))
}
