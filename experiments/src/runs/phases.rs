//! The phases of a run: proposals, training, measurements.

use super::data::{Data, Ledger, Part, Use, warn_of};
use super::directory::{Origin, RunDirectory};
use super::job::Job;
use super::laps::Laps;
use super::measure::{Measured, NothingToMeasure, Probe};
use crate::observers::Observers;
use crate::system::device;
use anyhow::{Context, Result, ensure};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use univip_core::assemble::Assembly;
use univip_core::checkpoint::Checkpoints;
use univip_core::dataset::{Dataset, Split};
use univip_core::error::{Interrupted, NotApplicable};
use univip_core::evaluate::Metric;
use univip_core::event::{Event, Observer};
use univip_core::networks::Networks;
use univip_core::nn::backbone_file;
use univip_core::proposals::{BuildOptions, Proposals};
use univip_core::recipe::{EvaluatorSettings, Measurement, Recipe};
use univip_core::trainer::Trainer;
use univip_run_format::{BACKBONE, CHECKPOINTS, RunRecord, Taken, phase};

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

impl Work<'_> {
    /// Does all that is left: trains unless that is done, and measures what has not been measured.
    ///
    /// # Errors
    /// [`Interrupted`] when the user asked to stop; whatever fails.
    pub fn all(&self, record: &mut RunRecord, observers: &mut Observers) -> Result<()> {
        let mut laps = Laps::start();
        if record.trained {
            let ledger = Ledger::of(record, self.data);
            ledger.check_all(&self.job.asked, self.data, observers, self.stop)?;
            laps.end(record, phase::LOOK);
        } else {
            self.train(record, &mut laps, observers)?;
        }
        self.measure(record, &mut laps, observers)
    }

    /// Trains, and leaves the backbone in its file.
    fn train(&self, record: &mut RunRecord, laps: &mut Laps, observers: &mut Observers) -> Result<()> {
        let (job, settings) = (self.job, &self.job.recipe.settings);
        let device = device::best()?;
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
        probe.ledger().record(record);
        laps.end(record, phase::TRAIN);
        trained?;
        backbone_file::write(&self.directory.file(BACKBONE), &trainer.networks().backbone_tensors())?;
        record.trained = true;
        self.directory.write_record(record)
    }

    /// Makes the images known, and refuses what the evaluators could not use. The probe is that of the recipe of the training.
    fn look(&self, part: &Part, record: &mut RunRecord, observers: &mut Observers) -> Result<Probe<'_>> {
        let job = self.job;
        self.data.look(part, observers, self.stop)?;
        let mut ledger = Ledger::of(record, self.data);
        ledger.check(part)?;
        ledger.note(part)?;
        ledger.record(record);
        warn_of(&job.recipe.settings.data.name, &*part.images, observers)?;
        for asked in &job.asked {
            let ledger = Ledger::of(record, self.data);
            Probe::new(&asked.recipe, self.data, job.seed, ledger).check(observers, self.stop)?;
        }
        let mut probe = Probe::new(job.recipe, self.data, job.seed, ledger);
        let settings = &job.recipe.settings.evaluators;
        if settings.online > 0 || !settings.during.is_empty() {
            probe.open(observers, self.stop)?;
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

    /// Measures the backbone by all that was not measured yet; what fails does not keep the others from being measured.
    fn measure(&self, record: &mut RunRecord, laps: &mut Laps, observers: &mut Observers) -> Result<()> {
        let mut failures = Vec::new();
        for asked in &self.job.asked {
            let mut missing = self.directory.unmeasured(&asked.measurements, &[])?;
            missing.retain(|measurement| !record.found_nothing(&measurement.digest));
            if missing.is_empty() {
                continue;
            }
            let measured = self.measure_by(&asked.recipe, &missing, record, laps, observers)?;
            failures.extend(measured.failures);
            if measured.stopped {
                return Err(Interrupted::Elsewhere.into());
            }
        }
        ensure!(
            failures.is_empty(),
            "{}; the pre-training is kept, run again or use `univip evaluate` to repeat the evaluation",
            failures.join("; ")
        );
        Ok(())
    }

    /// Measures as one recipe says.
    fn measure_by(
        &self,
        recipe: &Recipe,
        missing: &[Measurement],
        record: &mut RunRecord,
        laps: &mut Laps,
        observers: &mut Observers,
    ) -> Result<Measured> {
        let plan = recipe.backbone(self.data.registry())?;
        let backbone = backbone_file::read(&self.directory.file(BACKBONE), &plan, &device::best()?)?;
        let mut probe = Probe::new(recipe, self.data, self.job.seed, Ledger::of(record, self.data));
        let names: Vec<String> = missing.iter().map(|measurement| measurement.name.clone()).collect();
        let digest = |name: &str| {
            let found = missing.iter().find(|measurement| measurement.name == name);
            found
                .map(|measurement| measurement.digest.clone())
                .with_context(|| format!("`{name}` was not asked for"))
        };
        let mut keep = |name: &str, metrics: Vec<Metric>, observer: &mut dyn Observer| -> Result<()> {
            let probe_data = recipe.settings.probe_data.name.clone();
            let digest = Some(digest(name)?);
            let origin = Origin { name: name.into(), digest, probe_data, set: Vec::new() };
            laps.keep(self.directory, record, &origin, &metrics)?;
            metrics.into_iter().try_for_each(|metric| {
                observer.observe(&Event::Evaluation { epoch: None, evaluator: name.into(), metric })
            })
        };
        let measured = probe.measure(&names, &backbone, observers, self.stop, &mut keep);
        probe.ledger().record(record);
        let seconds = laps.end(record, phase::EVALUATE);
        let measured = measured?;
        for NothingToMeasure { name, message } in &measured.not_applicable {
            let not_applicable = Some(message.clone());
            record.measurements.insert(digest(name)?, Taken { name: name.clone(), seconds, not_applicable });
            observers.observe(&Event::Warning { message: message.clone() })?;
        }
        // Of these the next sitting knows, whatever becomes of this one.
        self.directory.write_record(record)?;
        Ok(measured)
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
    let nothing = measured.not_applicable.into_iter().map(|each| each.message);
    measured.failures.into_iter().chain(nothing).try_for_each(|failure| {
        observer.observe(&Event::Warning { message: format!("after epoch {epoch}: {failure}") })
    })
}
