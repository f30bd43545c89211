//! One run, from a recipe and a seed to measured numbers in a directory.

use crate::observers::{Observers, Progress};
use crate::runs::data::{Data, Ledger, Part, Use};
use crate::runs::directory::{Evaluated, RunDirectory, RunRecord, Status, lock_runs, read_record};
use crate::runs::measure::{Measured, Probe};
use crate::system::{device, machine};
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use univip_core::assemble::Assembly;
use univip_core::backbone_file;
use univip_core::checkpoint::Checkpoints;
use univip_core::dataset::{Dataset, Split};
use univip_core::error::{Interrupted, NotApplicable};
use univip_core::evaluate::Metric;
use univip_core::event::{Event, Observer};
use univip_core::files::write_atomic;
use univip_core::networks::Networks;
use univip_core::proposals::{BuildOptions, Proposals};
use univip_core::recipe::{EvaluatorSettings, Recipe};
use univip_core::trainer::Trainer;

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
pub fn run(job: &Job<'_>, data: &Data<'_>, mut progress: Progress, stop: &AtomicBool) -> Result<PathBuf> {
    let fingerprint = job.recipe.fingerprint();
    // Found out before anything is written: finished runs may be where nothing can be.
    if !job.force && finished(job.runs, job.name, &fingerprint, job.seed)? {
        let directory = RunDirectory::find(job.runs, job.name, &fingerprint, job.seed)?;
        return reuse(job, data, &directory, &mut progress, stop);
    }
    let Claimed { directory, mut record } = claim(job, &mut progress, stop)?;
    if record.status == Status::Finished {
        return reuse(job, data, directory.path(), &mut progress, stop);
    }
    write_atomic(&directory.file("recipe.toml"), job.recipe.show().as_bytes())?;
    machine::reset_peak_memory();
    let mut observers = Observers::new(directory.path(), progress);
    let outcome = phases(job, data, &directory, &mut record, &mut observers, stop);
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

/// A run that no other process works on.
struct Claimed {
    directory: RunDirectory,
    record: RunRecord,
}

/// How often it is looked whether another process is done.
const PAUSE: Duration = Duration::from_millis(200);

/// Opens the run's directory; while another process works on the run, waits for it.
fn claim(job: &Job<'_>, observer: &mut dyn Observer, stop: &AtomicBool) -> Result<Claimed> {
    let (settings, fingerprint) = (&job.recipe.settings, job.recipe.fingerprint());
    let mut waited = false;
    loop {
        // Until the record is there, another process would begin the same recipe under another row's name.
        let lock = lock_runs(job.runs)?;
        let path = RunDirectory::find(job.runs, job.name, &fingerprint, job.seed)?;
        if let Some(directory) = RunDirectory::try_open(&path)? {
            let done = |record: &RunRecord| record.status == Status::Finished;
            // What another process has finished meanwhile is new already.
            if job.force && !(waited && read_record(&path)?.as_ref().is_some_and(done)) {
                directory.clear()?;
            }
            let mut record = match read_record(&path)? {
                Some(record) => record,
                None => {
                    let (data, probe_data) = (&settings.data.name, &settings.probe_data.name);
                    RunRecord::begin(job.name, job.seed, &fingerprint, job.scale, data, probe_data)?
                }
            };
            if !done(&record) {
                (record.status, record.error) = (Status::Running, None);
                directory.write_record(&record)?;
            }
            return Ok(Claimed { directory, record });
        }
        drop(lock);
        if !waited {
            let message = format!("another process works in {}: waiting for it", path.display());
            observer.observe(&Event::Warning { message })?;
        }
        waited = true;
        if stop.load(Ordering::Relaxed) {
            return Err(Interrupted::Elsewhere.into());
        }
        std::thread::sleep(PAUSE);
    }
}

/// Returns the directory of a finished run, unless its data has changed since.
fn reuse(
    job: &Job<'_>,
    data: &Data<'_>,
    directory: &Path,
    progress: &mut Progress,
    stop: &AtomicBool,
) -> Result<PathBuf> {
    if let Some(record) = read_record(directory)? {
        let mut ledger = Ledger::of(&record, data);
        for part in ledger.parts(job.recipe, data)? {
            data.look(&part, progress, stop)?;
            ledger.check(&part)?;
        }
    }
    // Data that was moved is where the recipe says now. Other rows of the same recipe differ in its comments alone.
    let (path, recipe) = (directory.join("recipe.toml"), job.recipe.show());
    let values = |text: &str| text.parse::<toml::Table>().ok();
    if std::fs::read_to_string(&path).ok().and_then(|then| values(&then)) != values(&recipe) {
        // Where nothing can be written, the finished run is as good as before.
        if let Err(error) = write_atomic(&path, recipe.as_bytes()) {
            let message = format!("the recipe keeps the place where its data was: {error:#}");
            progress.observe(&Event::Warning { message })?;
        }
    }
    Ok(directory.to_path_buf())
}

fn phases(
    job: &Job<'_>,
    data: &Data<'_>,
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
    let part = data.part(job.recipe, Use::Learning, Split::Train)?;
    data.look(&part, observers, stop)?;
    let mut ledger = Ledger::of(record, data);
    ledger.check(&part)?;
    warn_of(&settings.data.name, &*part.images, observers)?;
    let mut probe = Probe::new(job.recipe, data, job.seed, ledger);
    probe.check(observers, stop)?;
    // From here on the run is one of these images.
    probe.ledger().record(record);
    directory.write_record(record)?;
    lap(record, "look");

    let proposals = proposals(job, data, &part, observers, stop)?;
    lap(record, "proposals");

    let (images, proposals) = (part.images, Arc::new(proposals));
    let parts = Assembly::new(job.recipe, data.registry());
    let mut trainer = parts.trainer(job.seed, images, proposals, &device)?;
    record.steps = trainer.steps();
    let backbone = trainer.networks().backbone_tensors();
    record.parameters = backbone.values().map(|tensor| tensor.elem_count()).sum();
    let checkpoints = Checkpoints::open(&directory.file("checkpoints"), settings.train.keep)?;
    if settings.evaluators.online > 0 {
        match probe.labelled(observers, stop) {
            Ok(labelled) => {
                let online = parts.online_probe(labelled, trainer.networks(), job.seed)?;
                trainer = trainer.with_online_probe(online);
            }
            Err(error) if error.is::<NotApplicable>() => {
                observers.observe(&Event::Warning { message: format!("no online probe: {error:#}") })?;
            }
            Err(error) => return Err(error),
        }
    }
    let trained = trainer.train(&checkpoints, observers, stop, &mut |epoch, networks, observer| {
        evaluate_during(&settings.evaluators, &mut probe, epoch, networks, observer)
    });
    lap(record, "train");
    trained?;
    backbone_file::write(&directory.file("backbone.safetensors"), &trainer.networks().backbone_tensors())?;

    let evaluated = evaluate(job, &mut probe, directory, &trainer, observers, stop);
    probe.ledger().record(record);
    lap(record, "evaluate");
    evaluated
}

/// The proposals of the recipe, computed and stored as far as they are needed and not there yet.
fn proposals(
    job: &Job<'_>,
    data: &Data<'_>,
    part: &Part,
    observers: &mut Observers,
    stop: &AtomicBool,
) -> Result<Proposals> {
    let settings = &job.recipe.settings;
    let proposals = Assembly::new(job.recipe, data.registry())
        .proposals(part.whole.clone(), &job.runs.join("proposals"))?;
    if proposals.annotated() {
        part.whole.check_sizes(&part.images.places())?;
    }
    // An untrained backbone needs no boxes, nor does a run without instances.
    if settings.train.epochs > 0 && settings.views.instances > 0 {
        let options = BuildOptions { threads: 0, broken: settings.loader.broken };
        let mut progress = |done, total| -> Result<()> {
            if stop.load(Ordering::Relaxed) {
                return Err(Interrupted::Elsewhere.into());
            }
            observers.observe(&Event::Progress { task: "proposals".into(), done, total })
        };
        let skipped = proposals.build(&*part.whole, part.images.len(), options, &mut progress)?;
        for skipped in skipped {
            observers.observe(&Event::Warning { message: format!("no boxes: {skipped}") })?;
        }
    }
    Ok(proposals)
}

/// Runs the evaluators that have not been run; one that fails does not keep the others from running.
fn evaluate(
    job: &Job<'_>,
    probe: &mut Probe<'_>,
    directory: &RunDirectory,
    trainer: &Trainer,
    observers: &mut Observers,
    stop: &AtomicBool,
) -> Result<()> {
    let missing = directory.unmeasured(&job.recipe.settings.evaluators.names)?;
    let mut keep = |evaluator: &str, metrics: Vec<Metric>, observer: &mut dyn Observer| -> Result<()> {
        let entry = |metric| Evaluated { evaluator: evaluator.into(), metric, set: Vec::new() };
        let evaluated: Vec<Evaluated> = metrics.into_iter().map(entry).collect();
        directory.append_evaluations(&evaluated)?;
        evaluated.into_iter().try_for_each(|Evaluated { evaluator, metric, .. }| {
            observer.observe(&Event::Evaluation { epoch: None, evaluator, metric })
        })
    };
    let backbone = trainer.networks().frozen_backbone()?;
    let Measured { failures, not_applicable, stopped } =
        probe.measure(&missing, &backbone, observers, stop, &mut keep)?;
    for message in not_applicable {
        observers.observe(&Event::Warning { message })?;
    }
    if stopped {
        return Err(Interrupted::Elsewhere.into());
    }
    ensure!(
        failures.is_empty(),
        "{}; the pre-training is kept, run again or use `univip evaluate` to repeat the evaluation",
        failures.join("; ")
    );
    Ok(())
}

/// Runs the evaluators that the recipe names for the time of training, where they are due after `epoch`.
fn evaluate_during(
    settings: &EvaluatorSettings,
    probe: &mut Probe<'_>,
    epoch: u64,
    networks: &Networks,
    observer: &mut dyn Observer,
) -> Result<()> {
    if settings.every == 0 || !(epoch + 1).is_multiple_of(settings.every) {
        return Ok(());
    }
    let mut keep = |evaluator: &str, metrics: Vec<Metric>, observer: &mut dyn Observer| -> Result<()> {
        metrics.into_iter().try_for_each(|metric| {
            observer.observe(&Event::Evaluation { epoch: Some(epoch), evaluator: evaluator.into(), metric })
        })
    };
    let backbone = networks.frozen_backbone()?;
    // Not to be stopped: the checkpoint that follows stands for this epoch, its evaluations included.
    let never = AtomicBool::new(false);
    let measured = probe.measure(&settings.during, &backbone, observer, &never, &mut keep)?;
    measured.failures.into_iter().chain(measured.not_applicable).try_for_each(|failure| {
        observer.observe(&Event::Warning { message: format!("after epoch {epoch}: {failure}") })
    })
}

/// Says what of a dataset could not be used.
pub fn warn_of(name: &str, dataset: &dyn Dataset, observer: &mut dyn Observer) -> Result<()> {
    for line in dataset.passed_over().lines() {
        observer.observe(&Event::Warning { message: format!("{name}: {line}") })?;
    }
    Ok(())
}
