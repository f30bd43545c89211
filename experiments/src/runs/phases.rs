//! The phases of a run: proposals, training, evaluation.

use super::data::{Data, Ledger, Part, Use, warn_of};
use super::directory::{RunDirectory, evaluated};
use super::job::Job;
use super::measure::{Measured, Probe};
use crate::observers::Observers;
use crate::system::device;
use anyhow::{Result, ensure};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use univip_core::assemble::Assembly;
use univip_core::checkpoint::Checkpoints;
use univip_core::dataset::{Dataset, Split};
use univip_core::error::{Interrupted, NotApplicable};
use univip_core::evaluate::Metric;
use univip_core::event::{Event, Observer};
use univip_core::networks::Networks;
use univip_core::nn::backbone_file;
use univip_core::proposals::{BuildOptions, Proposals};
use univip_core::recipe::EvaluatorSettings;
use univip_core::trainer::Trainer;
use univip_run_format::{BACKBONE, CHECKPOINTS, RunRecord, phase};

/// A run that this process works on.
pub struct Work<'a> {
    /// The recipe and the seed.
    pub job: &'a Job<'a>,
    /// The data of the command.
    pub data: &'a Data<'a>,
    /// The run's directory.
    pub directory: &'a RunDirectory,
    /// Set when the user asks to stop.
    pub stop: &'a AtomicBool,
}

/// Adds the time of each phase to a record.
struct Laps(Instant);

impl Laps {
    fn end(&mut self, record: &mut RunRecord, phase: &str) {
        *record.seconds.entry(phase.into()).or_default() += self.0.elapsed().as_secs_f64();
        self.0 = Instant::now();
    }
}

impl Work<'_> {
    /// Does all that is left.
    ///
    /// # Errors
    /// [`Interrupted`] when the user asked to stop; whatever fails.
    pub fn all(&self, record: &mut RunRecord, observers: &mut Observers) -> Result<()> {
        let (job, settings) = (self.job, &self.job.recipe.settings);
        let device = device::best()?;
        let mut laps = Laps(Instant::now());
        let part = self.data.part(job.recipe, Use::Learning, Split::Train)?;
        let mut probe = self.look(&part, record, observers)?;
        laps.end(record, phase::LOOK);
        let proposals = self.proposals(&part, observers)?;
        laps.end(record, phase::PROPOSALS);

        let parts = Assembly::new(job.recipe, self.data.registry());
        let mut trainer = parts.trainer(job.seed, part.images, Arc::new(proposals), &device)?;
        record.steps = trainer.steps();
        let backbone = trainer.networks().backbone_tensors();
        record.parameters = backbone.values().map(|tensor| tensor.elem_count() as u64).sum();
        if settings.evaluators.online > 0 {
            trainer = self.with_online_probe(trainer, &mut probe, observers)?;
        }
        let checkpoints = Checkpoints::open(&self.directory.file(CHECKPOINTS), settings.train.keep)?;
        let trained = trainer.train(&checkpoints, observers, self.stop, &mut |epoch, networks, observer| {
            evaluate_during(&settings.evaluators, &mut probe, epoch, networks, observer)
        });
        laps.end(record, phase::TRAIN);
        trained?;
        backbone_file::write(&self.directory.file(BACKBONE), &trainer.networks().backbone_tensors())?;

        let evaluated = self.evaluate(&mut probe, &trainer, observers);
        probe.ledger().record(record);
        laps.end(record, phase::EVALUATE);
        evaluated
    }

    /// Makes the images known, and refuses what the evaluators could not use.
    fn look(&self, part: &Part, record: &mut RunRecord, observers: &mut Observers) -> Result<Probe<'_>> {
        let job = self.job;
        self.data.look(part, observers, self.stop)?;
        let mut ledger = Ledger::of(record, self.data);
        ledger.check(part)?;
        ledger.note(part)?;
        warn_of(&job.recipe.settings.data.name, &*part.images, observers)?;
        let mut probe = Probe::new(job.recipe, self.data, job.seed, ledger);
        probe.check(observers, self.stop)?;
        let settings = &job.recipe.settings.evaluators;
        if settings.online > 0 || !settings.during.is_empty() {
            probe.note_probe_data()?;
        }
        // From here on the run is one of these images.
        probe.ledger().record(record);
        self.directory.write_record(record)?;
        Ok(probe)
    }

    /// The proposals of the recipe, computed and stored as far as they are needed and not there yet.
    fn proposals(&self, part: &Part, observers: &mut Observers) -> Result<Proposals> {
        let (job, settings) = (self.job, &self.job.recipe.settings);
        let proposals = Assembly::new(job.recipe, self.data.registry())
            .proposals(part.whole.clone(), &job.runs.join("proposals"))?;
        if proposals.annotated() {
            part.whole.check_sizes(&part.images.places())?;
        }
        // An untrained backbone needs no boxes, nor does a run without instances.
        if settings.train.epochs == 0 || settings.views.instances == 0 {
            return Ok(proposals);
        }
        let options = BuildOptions { threads: 0, broken: settings.loader.broken };
        let mut progress = |done, total| -> Result<()> {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Interrupted::Elsewhere.into());
            }
            observers.observe(&Event::Progress { task: "proposals".into(), done, total })
        };
        let skipped = proposals.build(&*part.whole, part.images.len(), options, &mut progress)?;
        for skipped in skipped {
            observers.observe(&Event::Warning { message: format!("no boxes: {skipped}") })?;
        }
        Ok(proposals)
    }

    /// The trainer with a classifier beside it, where there is something to classify.
    fn with_online_probe(
        &self,
        trainer: Trainer,
        probe: &mut Probe<'_>,
        observers: &mut Observers,
    ) -> Result<Trainer> {
        match probe.labelled(observers, self.stop) {
            Ok(labelled) => {
                let parts = Assembly::new(self.job.recipe, self.data.registry());
                let online = parts.online_probe(labelled, trainer.networks(), self.job.seed)?;
                Ok(trainer.with_online_probe(online))
            }
            Err(error) if error.is::<NotApplicable>() => {
                observers.observe(&Event::Warning { message: format!("no online probe: {error:#}") })?;
                Ok(trainer)
            }
            Err(error) => Err(error),
        }
    }

    /// Runs the evaluators that have not been run; one that fails does not keep the others from running.
    fn evaluate(&self, probe: &mut Probe<'_>, trainer: &Trainer, observers: &mut Observers) -> Result<()> {
        let missing = self.directory.unmeasured(&self.job.recipe.settings.evaluators.names)?;
        let mut keep = |evaluator: &str, metrics: Vec<Metric>, observer: &mut dyn Observer| -> Result<()> {
            self.directory.append_evaluations(&evaluated(evaluator, &metrics, &[]))?;
            metrics.into_iter().try_for_each(|metric| {
                observer.observe(&Event::Evaluation { epoch: None, evaluator: evaluator.into(), metric })
            })
        };
        let backbone = trainer.networks().frozen_backbone()?;
        let Measured { failures, not_applicable, stopped } =
            probe.measure(&missing, &backbone, observers, self.stop, &mut keep)?;
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
