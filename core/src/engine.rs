//! Pre-training: epochs, checkpoints, resume.

use crate::augment::Renderer;
use crate::checkpoint::{Checkpoint, Checkpoints, Progress};
use crate::dataset::Dataset;
use crate::diagnostics::effective_rank;
use crate::error::{Interrupted, NonFinite};
use crate::event::{Event, Observer};
use crate::files::write_atomic;
use crate::loader::{Batch, BatchMaker, Loader};
use crate::loss::LossContext;
use crate::networks::Networks;
use crate::nn::Parameters;
use crate::online_probe::{self, OnlineProbe, Shown};
use crate::optim::{Optimizer, Schedule, peak_lr, target_momentum};
use crate::proposals::Proposals;
use crate::recipe::{Recipe, Settings, TrainSettings};
use crate::registry::{Kind, Registry};
use crate::sealed_tensors::seal;
use crate::step::{NotFinite, Rates, StepReport, WeightedLoss, needs, step};
use crate::views::ViewContext;
use anyhow::{Context, Result};
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

/// What is done after each epoch: its number, counted from 0, and the networks, which it can look at.
pub type AfterEpoch<'a> = dyn FnMut(u64, &Networks, &mut dyn Observer) -> Result<()> + 'a;

/// A recipe and a seed, ready to train or resume.
pub struct Engine {
    settings: Settings,
    fingerprint: String,
    seed: u64,
    device: Device,
    networks: Networks,
    losses: Vec<WeightedLoss>,
    optimizer: Optimizer,
    schedule: Schedule,
    steps_per_epoch: u64,
    maker: Arc<BatchMaker>,
    probe: Option<OnlineProbe>,
}

impl Engine {
    /// Builds networks, losses and optimiser from a recipe.
    ///
    /// # Errors
    /// [`crate::error::RecipeError`] when the recipe asks for what cannot be: a batch larger than the data.
    pub fn new(
        recipe: &Recipe,
        registry: &Registry,
        seed: u64,
        dataset: Arc<dyn Dataset>,
        proposals: Arc<Proposals>,
        device: &Device,
    ) -> Result<Self> {
        let settings = recipe.settings.clone();
        let networks = Networks::new(&settings.network, seed, device)?;
        let losses = build_losses(recipe, registry, networks.online())?;
        let needs = needs(&losses);
        let sampler =
            registry.get(Kind::Views, &settings.views.name, &recipe.origin("views.use"), "views.use")?;
        let context = ViewContext {
            instances: settings.views.instances,
            crop: settings.views.crop,
            limits: settings.proposals.limits,
        };
        let sampler = sampler.views(&recipe.table(Kind::Views, &settings.views.name), context)?;
        let images = match settings.data.limit {
            0 => dataset.len(),
            limit => limit.min(dataset.len()),
        };
        let steps_per_epoch = steps_per_epoch(recipe, images)?;
        let per_step = settings.train.batch * settings.train.accumulate;
        let peak = peak_lr(settings.optimizer.lr, per_step);
        let schedule = Schedule::new(&settings.schedule, peak, settings.train.epochs, steps_per_epoch);
        let maker = Arc::new(BatchMaker {
            images,
            dataset,
            proposals,
            sampler,
            renderer: Renderer::new(&settings.augment),
            views: settings.views.clone(),
            needs,
            broken: settings.loader.broken,
            batch: settings.train.batch,
            batches_per_epoch: steps_per_epoch * settings.train.accumulate as u64,
            seed,
        });
        let optimizer = Optimizer::new(&settings.optimizer, networks.online())?;
        let fingerprint = recipe.fingerprint();
        let device = device.clone();
        Ok(Self {
            settings,
            fingerprint,
            seed,
            device,
            networks,
            losses,
            optimizer,
            schedule,
            steps_per_epoch,
            maker,
            probe: None,
        })
    }

    /// Lets a linear classifier of `labelled` images learn beside the training (`evaluators.online`).
    ///
    /// # Errors
    /// When an image has no class.
    pub fn with_online_probe(mut self, labelled: Arc<dyn Dataset>) -> Result<Self> {
        let shown = Shown {
            renderer: self.maker.renderer.clone(),
            image_size: self.settings.probe_data.image_size,
            batch: self.settings.evaluators.online,
            broken: self.settings.loader.broken,
        };
        self.probe = Some(OnlineProbe::new(labelled, shown, self.networks.frozen_backbone()?, self.seed)?);
        Ok(self)
    }

    /// The networks as they are now.
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// The optimiser steps of the whole run.
    pub fn steps(&self) -> u64 {
        self.settings.train.epochs * self.steps_per_epoch
    }

    /// Trains to the end, from the newest checkpoint if there is one. `after_epoch` is called before the checkpoint
    /// that stands for the epoch: a run that was killed between the two calls it again.
    ///
    /// # Errors
    /// [`Interrupted`] after `stop` was set and a checkpoint written; [`NonFinite`]; anything that the data,
    /// a plugin, an observer or the disk refuses. What is on disk stays whole.
    pub fn train(
        &mut self,
        checkpoints: &Checkpoints,
        observer: &mut dyn Observer,
        stop: &AtomicBool,
        after_epoch: &mut AfterEpoch<'_>,
    ) -> Result<()> {
        let mut progress = self.resume(checkpoints, observer)?;
        let steps_per_epoch = self.steps_per_epoch;
        observer.observe(&Event::Start {
            step: progress.step,
            steps: self.steps(),
            steps_per_epoch,
            batch: self.settings.train.batch * self.settings.train.accumulate,
        })?;
        let passes = self.settings.train.accumulate as u64;
        let numbers = progress.step * passes..self.steps() * passes;
        let mut loader = Loader::new(self.maker.clone(), numbers, &self.settings.loader)?;
        while progress.step < self.steps() {
            if stop.load(Ordering::Relaxed) {
                self.save(checkpoints, &progress, observer)?;
                return Err(Interrupted::Training { step: progress.step }.into());
            }
            let (begin, number) = (Instant::now(), progress.step);
            let batches: Vec<Batch> = loader.by_ref().take(passes as usize).collect::<Result<_>>()?;
            let waited = begin.elapsed();
            for reason in batches.iter().flat_map(|batch| &batch.skipped) {
                progress.epoch_skipped += 1;
                observer.observe(&Event::Warning { message: format!("passed over: {reason}") })?;
            }
            let momentum = target_momentum(self.settings.target.momentum, number, self.steps());
            let rates = Rates { lr: self.schedule.lr(number), momentum };
            let batches =
                batches.into_iter().map(|batch| batch.to_device(&self.device)).collect::<Result<Vec<_>>>()?;
            let report = step(&self.networks, &self.losses, &mut self.optimizer, &batches, rates)
                .map_err(|error| self.explain(error, number, &batches, checkpoints))?;
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
                epoch: number / steps_per_epoch,
                total,
                terms,
                lr: rates.lr,
                momentum: rates.momentum,
                seconds: begin.elapsed().as_secs_f64(),
                waited: waited.as_secs_f64(),
            })?;
            let epoch_ended = progress.step % steps_per_epoch == 0;
            if epoch_ended {
                observer.observe(&Event::Epoch {
                    epoch: number / steps_per_epoch,
                    effective_rank: self.effective_rank()?,
                    total: (progress.epoch_total / steps_per_epoch as f64) as f32,
                    skipped: progress.epoch_skipped,
                })?;
                (progress.epoch_total, progress.epoch_skipped) = (0.0, 0);
                if let Some(line) = self.probe.as_ref().and_then(OnlineProbe::passed_over) {
                    observer.observe(&Event::Warning { message: format!("online probe: {line}") })?;
                }
                for metric in self.probe.iter_mut().flat_map(OnlineProbe::end_epoch) {
                    let (epoch, evaluator) = (Some(number / steps_per_epoch), online_probe::NAME.into());
                    observer.observe(&Event::Evaluation { epoch, evaluator, metric })?;
                }
                after_epoch(number / steps_per_epoch, &self.networks, observer)?;
            }
            let due = match self.settings.train.checkpoint_every {
                0 => epoch_ended,
                every => progress.step % every == 0,
            };
            if due || progress.step == self.steps() {
                self.save(checkpoints, &progress, observer)?;
            }
        }
        Ok(())
    }

    /// The effective rank of the online backbone's features on the first readable images, unaugmented; NaN without one.
    fn effective_rank(&self) -> Result<f32> {
        let backbone = self.networks.frozen_backbone()?;
        let BatchMaker { dataset, renderer, images, .. } = &*self.maker;
        let side = self.settings.views.scene_size;
        let size = side as usize * side as usize * 3;
        let mut readable = (0..*images).filter_map(|index| dataset.image(index).ok()).take(RANK_IMAGES);
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
            features.push(backbone.features(&Tensor::from_vec(pixels, shape, &self.device)?)?);
        }
        if features.is_empty() {
            return Ok(f32::NAN);
        }
        effective_rank(&Tensor::cat(&features, 0)?)
    }

    /// Loads the newest checkpoint, if there is one.
    fn resume(&mut self, checkpoints: &Checkpoints, observer: &mut dyn Observer) -> Result<Progress> {
        let (checkpoint, problems) = checkpoints.latest(&self.device)?;
        for message in problems {
            observer.observe(&Event::Warning { message })?;
        }
        let (fingerprint, seed) = (self.fingerprint.clone(), self.seed);
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
        self.networks.online().load(&part("online.")).context("the online network of the checkpoint")?;
        self.networks.target().load(&part("target.")).context("the target network of the checkpoint")?;
        self.optimizer.load_state(&part("optimizer.")).context("the optimiser of the checkpoint")?;
        // A probe that the run had not so far begins anew.
        let state = part("probe.");
        if let (Some(probe), false) = (&mut self.probe, state.is_empty()) {
            probe.load_state(state).context("the online probe of the checkpoint")?;
        }
        Ok(progress)
    }

    fn save(
        &self,
        checkpoints: &Checkpoints,
        progress: &Progress,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let parts = [
            ("online", self.networks.online().tensors()),
            ("target", self.networks.target().tensors()),
            ("optimizer", self.optimizer.state()),
            ("probe", self.probe.as_ref().map(OnlineProbe::state).transpose()?.unwrap_or_default()),
        ];
        let named = parts.into_iter().flat_map(|(part, tensors)| {
            tensors.into_iter().map(move |(name, tensor)| (format!("{part}.{name}"), tensor))
        });
        observer.sync()?;
        checkpoints.save(&Checkpoint { progress: progress.clone(), tensors: named.collect() })?;
        observer.observe(&Event::Checkpoint { step: progress.step })
    }

    /// Saves the batch that made a loss infinite and says where.
    fn explain(
        &self,
        error: anyhow::Error,
        step: u64,
        batches: &[Batch],
        checkpoints: &Checkpoints,
    ) -> anyhow::Error {
        let (term, value, pass) = match error.downcast::<NotFinite>() {
            Ok(NotFinite { term, value, pass }) => (term, value, pass),
            Err(error) => return error.context(format!("step {step}")),
        };
        let Some(batch) = batches.get(pass) else {
            return anyhow::anyhow!("step {step}: loss `{term}` is {value}");
        };
        let path = checkpoints.directory().join(format!("not-finite-step-{step:08}.safetensors"));
        match save_batch(batch, &path) {
            Ok(()) => NonFinite { step, term, value, images: batch.ids.clone(), batch: path }.into(),
            Err(problem) => problem
                .context(format!("step {step}: loss `{term}` is {value}, and its batch could not be saved")),
        }
    }
}

/// The optimiser steps of an epoch of so many images.
///
/// # Errors
/// [`crate::error::RecipeError`] when they do not fill one: it says with what batch they do.
pub fn steps_per_epoch(recipe: &Recipe, images: usize) -> Result<u64> {
    let TrainSettings { epochs, batch, accumulate, .. } = recipe.settings.train;
    let per_step = batch.saturating_mul(accumulate);
    if epochs == 0 || images >= per_step {
        return Ok((images / per_step) as u64);
    }
    let remedy = match images {
        0 | 1 => "one step needs at least 2: add images".to_string(),
        _ if accumulate > 1 => {
            format!("--set train.batch={images} --set train.accumulate=1 takes all of them")
        }
        _ => format!("--set train.batch={images} takes all of them"),
    };
    let problem = format!(
        "a step takes {per_step} images (batch {batch} x accumulate {accumulate}), but there are only {images}; {remedy}"
    );
    Err(recipe.error("train.batch", problem).into())
}

/// The losses of a recipe, with their parameters among `parameters`.
pub(crate) fn build_losses(
    recipe: &Recipe,
    registry: &Registry,
    parameters: &Parameters,
) -> Result<Vec<WeightedLoss>> {
    let settings = &recipe.settings;
    let build = |name: &String| {
        let plugin = registry.get(Kind::Loss, name, &recipe.origin("losses.use"), "losses.use")?;
        let context = LossContext {
            parameters: parameters.trainable().enter("loss").enter(name),
            feature_size: settings.network.output,
            instances: settings.views.instances,
        };
        let weight = settings.losses.weights.get(name).copied().unwrap_or(1.0);
        let loss = plugin.loss(&recipe.table(Kind::Loss, name), context)?;
        Ok(WeightedLoss { name: name.clone(), weight, loss })
    };
    settings.losses.names.iter().map(build).collect()
}

fn save_batch(batch: &Batch, path: &Path) -> Result<()> {
    let mut tensors = BTreeMap::from([("scenes".to_string(), batch.scenes.clone())]);
    tensors.extend(batch.online_instances.clone().map(|images| ("online_instances".to_string(), images)));
    tensors.extend(batch.target_instances.clone().map(|images| ("target_instances".to_string(), images)));
    write_atomic(path, &seal(&tensors, Value::Null)?)
}
