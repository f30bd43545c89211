//! Pre-training: epochs, checkpoints, resume.

use super::TrainSettings;
use super::checkpoint::{Checkpoint, Checkpoints, Progress};
use super::event::{Event, Observer};
use super::step::{Method, Rates, StepError, StepReport, step};
use crate::diagnostics::Spectrum;
use crate::error::Interrupted;
use crate::evaluation::online_probe::{self, OnlineProbe};
use crate::files::write_atomic;
use crate::loss::Step;
use crate::networks::{Networks, TargetSettings};
use crate::nn::optim::Schedule;
use crate::nn::sealed_tensors::seal;
use crate::views::loader::Loader;
use crate::views::{Batch, BatchMaker, LoaderSettings};
use anyhow::{Context, Result, anyhow};
use candle_core::{Device, Tensor};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// The images that the effective rank is measured on at the end of each epoch.
const RANK_IMAGES: usize = 256;

/// Those that pass through the backbone at once.
const RANK_BATCH: usize = 32;

/// A function called after each epoch with its number, counted from 0, and the networks, which it can look at.
pub type AfterEpoch<'a> = dyn FnMut(u64, &Networks, &mut dyn Observer) -> Result<()> + 'a;

/// The parts of a trainer. [`crate::assemble`] makes them from a recipe.
pub struct Components {
    /// Networks, losses and optimiser.
    pub method: Method,
    /// The side of the images that the effective rank is measured on, in pixels.
    pub rank_size: u32,
    /// The learning rate of each step.
    pub schedule: Schedule,
    /// Makes the batches.
    pub batches: Arc<BatchMaker>,
    /// Settings of the threads that prepare them.
    pub loader: LoaderSettings,
    /// Epochs, gradient accumulation and checkpoints.
    pub train: TrainSettings,
    /// The momentum of the target network.
    pub target: TargetSettings,
    /// The device of the networks.
    pub device: Device,
    /// The fingerprint of the recipe, kept in each checkpoint.
    pub fingerprint: String,
}

/// Trains its networks from the start or from a checkpoint.
pub struct Trainer {
    parts: Components,
    steps_per_epoch: u64,
    probe: Option<OnlineProbe>,
}

impl Trainer {
    /// A trainer of `parts`.
    pub fn new(parts: Components) -> Self {
        let steps_per_epoch = parts.batches.batches_per_epoch / parts.train.accumulate.max(1) as u64;
        Self { parts, steps_per_epoch, probe: None }
    }

    /// Lets a classifier learn beside the training (`evaluators.online`).
    #[must_use]
    pub fn with_online_probe(self, probe: OnlineProbe) -> Self {
        Self { probe: Some(probe), ..self }
    }

    /// The networks as they are now.
    pub fn networks(&self) -> &Networks {
        &self.parts.method.networks
    }

    /// The optimiser steps of the whole run.
    pub fn steps(&self) -> u64 {
        self.parts.train.epochs * self.steps_per_epoch
    }

    /// Trains to the end, from the newest checkpoint if there is one. `after_epoch` is called before the checkpoint
    /// that stands for the epoch: a run that was killed between the two calls it again.
    ///
    /// # Errors
    /// [`Interrupted`] after `stop` was set and a checkpoint written; a loss that is not finite, with its batch saved; anything that the data,
    /// a plugin, an observer or the disk refuses. What is on disk stays whole.
    pub fn train(
        &mut self,
        checkpoints: &Checkpoints,
        observer: &mut dyn Observer,
        stop: &AtomicBool,
        after_epoch: &mut AfterEpoch<'_>,
    ) -> Result<()> {
        let mut progress = self.resume(checkpoints, observer)?;
        let passes = self.parts.train.accumulate as u64;
        observer.observe(&Event::Start {
            step: progress.step,
            steps: self.steps(),
            steps_per_epoch: self.steps_per_epoch,
            batch: self.parts.batches.batch * self.parts.train.accumulate,
        })?;
        for each in &self.parts.method.losses {
            for remark in each.loss.remarks() {
                observer.observe(&Event::Warning { message: format!("loss `{}`: {remark}", each.name) })?;
            }
        }
        let numbers = progress.step * passes..self.steps() * passes;
        let mut loader = Loader::new(self.parts.batches.clone(), numbers, &self.parts.loader)?;
        while progress.step < self.steps() {
            if stop.load(Ordering::Relaxed) {
                self.save(checkpoints, &progress, observer)?;
                return Err(Interrupted::Training { step: progress.step }.into());
            }
            self.one_step(&mut loader, &mut progress, checkpoints, observer)?;
            let epoch_ended = progress.step % self.steps_per_epoch == 0;
            if epoch_ended {
                let epoch = (progress.step - 1) / self.steps_per_epoch;
                self.end_epoch(epoch, &mut progress, observer)?;
                after_epoch(epoch, self.networks(), observer)?;
            }
            let due = match self.parts.train.checkpoint_every {
                0 => epoch_ended,
                every => progress.step % every == 0,
            };
            if due || progress.step == self.steps() {
                self.save(checkpoints, &progress, observer)?;
            }
        }
        Ok(())
    }

    /// Loads the batches of the next optimiser step, does it and tells of it.
    fn one_step(
        &mut self,
        loader: &mut Loader,
        progress: &mut Progress,
        checkpoints: &Checkpoints,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let (begin, number) = (Instant::now(), progress.step);
        let batches: Vec<Batch> = loader.take(self.parts.train.accumulate).collect::<Result<_>>()?;
        let waited = begin.elapsed();
        for reason in batches.iter().flat_map(|batch| &batch.skipped) {
            progress.epoch_skipped += 1;
            observer.observe(&Event::Warning { message: format!("skipped: {reason}") })?;
        }
        let momentum = self.parts.target.momentum_at(number, self.steps());
        let rates = Rates { lr: self.parts.schedule.lr(number), momentum };
        let batches = batches
            .into_iter()
            .map(|batch| batch.to_device(&self.parts.device))
            .collect::<Result<Vec<_>>>()?;
        let seed = self.parts.batches.order.seed();
        let now = Step { number, steps_per_epoch: self.steps_per_epoch, pass: 0, seed };
        let report = step(&mut self.parts.method, &batches, now, rates)
            .map_err(|error| explain(error, number, &batches, checkpoints))?;
        progress.step += 1;
        progress.epoch_total += f64::from(report.total);
        if let Some(Err(error)) = self.probe.as_mut().map(|probe| probe.step(number)) {
            let message = format!("step {number}: the online probe ends: {error:#}");
            observer.observe(&Event::Warning { message })?;
            self.probe = None;
        }
        let StepReport { total, terms } = report;
        observer.observe(&Event::Step {
            step: number,
            epoch: number / self.steps_per_epoch,
            total,
            terms,
            lr: rates.lr,
            momentum: rates.momentum,
            seconds: begin.elapsed().as_secs_f64(),
            waited: waited.as_secs_f64(),
        })
    }

    /// Tells of an epoch that has ended, and begins to count anew.
    fn end_epoch(&mut self, epoch: u64, progress: &mut Progress, observer: &mut dyn Observer) -> Result<()> {
        let spectrum = self.spectrum()?;
        observer.observe(&Event::Epoch {
            epoch,
            effective_rank: spectrum.as_ref().map_or(f32::NAN, Spectrum::effective_rank),
            explained_variance: spectrum.as_ref().map(Spectrum::explained_variance).unwrap_or_default(),
            total: (progress.epoch_total / self.steps_per_epoch as f64) as f32,
            skipped: progress.epoch_skipped,
        })?;
        (progress.epoch_total, progress.epoch_skipped) = (0.0, 0);
        if let Some(line) = self.probe.as_ref().and_then(OnlineProbe::skipped) {
            observer.observe(&Event::Warning { message: format!("online probe: {line}") })?;
        }
        for metric in self.probe.iter_mut().flat_map(OnlineProbe::end_epoch) {
            let (epoch, evaluator) = (Some(epoch), online_probe::NAME.into());
            observer.observe(&Event::Evaluation { epoch, evaluator, metric })?;
        }
        Ok(())
    }

    /// The spectrum of the online backbone's features on the first readable images, unaugmented; none without one.
    fn spectrum(&self) -> Result<Option<Spectrum>> {
        let backbone = self.networks().frozen_backbone()?;
        let BatchMaker { dataset, renderer, order, .. } = &*self.parts.batches;
        let side = self.parts.rank_size;
        let size = side as usize * side as usize * 3;
        let mut readable =
            (0..order.images()).filter_map(|index| dataset.image(index).ok()).take(RANK_IMAGES);
        let mut features = Vec::new();
        loop {
            let mut pixels = Vec::with_capacity(RANK_BATCH * size);
            for image in readable.by_ref().take(RANK_BATCH) {
                let start = pixels.len();
                pixels.resize(start + size, 0f32);
                renderer.plain(&image, side, &mut pixels[start..])?;
            }
            if pixels.is_empty() {
                break;
            }
            let shape = (pixels.len() / size, side as usize, side as usize, 3);
            features.push(backbone.features(&Tensor::from_vec(pixels, shape, &self.parts.device)?)?);
        }
        if features.is_empty() {
            return Ok(None);
        }
        Spectrum::of(&Tensor::cat(&features, 0)?)
    }

    /// Loads the newest checkpoint, if there is one.
    fn resume(&mut self, checkpoints: &Checkpoints, observer: &mut dyn Observer) -> Result<Progress> {
        let (checkpoint, problems) = checkpoints.latest(&self.parts.device)?;
        for message in problems {
            observer.observe(&Event::Warning { message })?;
        }
        let (fingerprint, seed) = (self.parts.fingerprint.clone(), self.parts.batches.order.seed());
        let Some(Checkpoint { progress, tensors }) = checkpoint else {
            return Ok(Progress { fingerprint, seed, step: 0, epoch_total: 0.0, epoch_skipped: 0 });
        };
        anyhow::ensure!(
            progress.fingerprint == fingerprint && progress.seed == seed,
            "the checkpoint is of recipe {} seed {}, this run is of recipe {fingerprint} seed {seed}: \
             a changed recipe never goes on from an old checkpoint; give the run a directory of its own",
            progress.fingerprint,
            progress.seed
        );
        let part = |name: &str| -> BTreeMap<String, Tensor> {
            let inside = tensors.iter().filter_map(|(key, value)| Some((key.strip_prefix(name)?, value)));
            inside.map(|(key, value)| (key.to_string(), value.clone())).collect()
        };
        let Method { networks, optimizer, .. } = &mut self.parts.method;
        networks.online().load(&part("online.")).context("the online network of the checkpoint")?;
        networks.target().load(&part("target.")).context("the target network of the checkpoint")?;
        optimizer.load_state(&part("optimizer.")).context("the optimiser of the checkpoint")?;
        // A probe that the run had not so far begins anew.
        let state = part("probe.");
        if let (Some(probe), false) = (&mut self.probe, state.is_empty())
            && let Err(error) = probe.load_state(state)
        {
            // Another recipe with this pre-training had other probe data.
            let message = format!("the online probe ends: that of the checkpoint is another: {error:#}");
            observer.observe(&Event::Warning { message })?;
            self.probe = None;
        }
        Ok(progress)
    }

    fn save(
        &self,
        checkpoints: &Checkpoints,
        progress: &Progress,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let Method { networks, optimizer, .. } = &self.parts.method;
        let parts = [
            ("online", networks.online().tensors()),
            ("target", networks.target().tensors()),
            ("optimizer", optimizer.state()),
            ("probe", self.probe.as_ref().map(OnlineProbe::state).transpose()?.unwrap_or_default()),
        ];
        let named = parts.into_iter().flat_map(|(part, tensors)| {
            tensors.into_iter().map(move |(name, tensor)| (format!("{part}.{name}"), tensor))
        });
        observer.sync()?;
        checkpoints.save(&Checkpoint { progress: progress.clone(), tensors: named.collect() })?;
        observer.observe(&Event::Checkpoint { step: progress.step })
    }
}

/// Saves the batch that made a loss infinite and says where.
fn explain(error: StepError, step: u64, batches: &[Batch], checkpoints: &Checkpoints) -> anyhow::Error {
    let (term, value, pass) = match error {
        StepError::NotFinite { term, value, pass } => (term, value, pass),
        StepError::Other(error) => return error.context(format!("step {step}")),
    };
    let Some(batch) = batches.get(pass) else {
        return anyhow!("step {step}: loss `{term}` is {value}");
    };
    let path = checkpoints.directory().join(format!("not-finite-step-{step:08}.safetensors"));
    match save_batch(batch, &path) {
        Ok(()) => anyhow!(
            "step {step}: loss `{term}` is {value}; images {:?}; the batch is saved in {}. \
             Lower optimizer.lr, or look at the saved batch.",
            batch.ids,
            path.display()
        ),
        Err(problem) => problem
            .context(format!("step {step}: loss `{term}` is {value}, and its batch could not be saved")),
    }
}

fn save_batch(batch: &Batch, path: &Path) -> Result<()> {
    write_atomic(path, &seal(&batch.groups, Value::Null)?)
}
