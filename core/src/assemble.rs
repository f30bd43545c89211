//! From a recipe and the plugins of this binary to components: the one place where names become objects.

use crate::dataset::{Dataset, Split};
use crate::error::{NotApplicable, RecipeError};
use crate::evaluate::Evaluator;
use crate::loader::BatchMaker;
use crate::loss::LossContext;
use crate::networks::Networks;
use crate::nn::Parameters;
use crate::online_probe::{OnlineProbe, Shown};
use crate::optim::{Optimizer, Schedule, peak_lr};
use crate::proposals::{Proposals, StoreKey};
use crate::recipe::{Recipe, Settings, TrainSettings};
use crate::registry::{Kind, Registration, Registry};
use crate::step::{WeightedLoss, needs};
use crate::training::trainer::{Components, Trainer};
use crate::views::augment::Renderer;
use crate::views::{ViewContext, ViewSampler};
use anyhow::Result;
use candle_core::Device;
use std::path::Path;
use std::sync::Arc;

/// A recipe with the plugins that it names.
#[derive(Clone, Copy)]
pub struct Assembly<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// The plugins of this binary.
    pub registry: &'a Registry,
}

impl<'a> Assembly<'a> {
    /// A recipe with the plugins of this binary.
    pub fn new(recipe: &'a Recipe, registry: &'a Registry) -> Self {
        Self { recipe, registry }
    }

    /// Opens a split of the dataset that the recipe names at `key`.
    ///
    /// # Errors
    /// [`NotApplicable`] where the dataset has no such split; otherwise a [`RecipeError`]: what is named cannot be used.
    pub fn dataset(&self, key: &str, name: &str, split: Split) -> Result<Box<dyn Dataset>> {
        let plugin = self.plugin(Kind::Dataset, name, key)?;
        plugin.dataset(&self.recipe.table(Kind::Dataset, name), split).map_err(|error| {
            let error = error.context(format!("dataset `{name}`, split {}", split.name()));
            let told = error.is::<RecipeError>() || error.is::<NotApplicable>();
            if told { error } else { self.recipe.error(key, format!("{error:#}")).into() }
        })
    }

    /// The proposals for a dataset; those that are worth keeping are stored below `root`.
    ///
    /// # Errors
    /// When the source refuses its table, or the store cannot be opened.
    pub fn proposals(&self, dataset: Arc<dyn Dataset>, root: &Path) -> Result<Proposals> {
        let settings = &self.recipe.settings.proposals;
        let name = &settings.name;
        let plugin = self.plugin(Kind::Proposals, name, "proposals.use")?;
        let table = self.recipe.table(Kind::Proposals, name);
        let key = StoreKey {
            source: name.clone(),
            version: plugin.version.into(),
            parameters: (plugin.resolve)(&table)?,
            dataset: dataset.digest(),
            images: dataset.len(),
        };
        Proposals::open(plugin.proposals(&table)?, settings.limits, root, &key, dataset)
    }

    /// The view sampler.
    ///
    /// # Errors
    /// When it refuses its table.
    pub fn view_sampler(&self) -> Result<Box<dyn ViewSampler>> {
        let Settings { views, proposals, .. } = &self.recipe.settings;
        let context = ViewContext { instances: views.instances, crop: views.crop, limits: proposals.limits };
        let plugin = self.plugin(Kind::Views, &views.name, "views.use")?;
        plugin.views(&self.recipe.table(Kind::Views, &views.name), context)
    }

    /// The losses, with their parameters among `parameters`.
    ///
    /// # Errors
    /// When one refuses its table or its parameters cannot be made.
    pub fn losses(&self, parameters: &Parameters) -> Result<Vec<WeightedLoss>> {
        let settings = &self.recipe.settings;
        let build = |name: &String| {
            let plugin = self.plugin(Kind::Loss, name, "losses.use")?;
            let table = self.recipe.table(Kind::Loss, name);
            let context = LossContext {
                parameters: parameters.trainable().enter("loss").enter(name),
                feature_size: settings.network.output,
                instances: settings.views.instances,
            };
            let weight = settings.losses.weights.get(name).copied().unwrap_or(1.0);
            let needs = plugin.needs(&table)?;
            Ok(WeightedLoss { name: name.clone(), weight, needs, loss: plugin.loss(&table, context)? })
        };
        settings.losses.names.iter().map(build).collect()
    }

    /// An evaluator.
    ///
    /// # Errors
    /// When it is not known or refuses its table.
    pub fn evaluator(&self, name: &str) -> Result<Box<dyn Evaluator>> {
        let plugin = self.plugin(Kind::Evaluator, name, "evaluators.use")?;
        plugin.evaluator(&self.recipe.table(Kind::Evaluator, name))
    }

    /// A linear classifier of `labelled` images that learns beside the training of `networks` (`evaluators.online`).
    ///
    /// # Errors
    /// When an image has no class.
    pub fn online_probe(
        &self,
        labelled: Arc<dyn Dataset>,
        networks: &Networks,
        seed: u64,
    ) -> Result<OnlineProbe> {
        let settings = &self.recipe.settings;
        let shown = Shown {
            renderer: Renderer::new(&settings.augment),
            image_size: settings.probe_data.image_size,
            batch: settings.evaluators.online,
            broken: settings.loader.broken,
        };
        OnlineProbe::new(labelled, shown, networks.frozen_backbone()?, seed)
    }

    /// The trainer of a run with `seed`.
    ///
    /// # Errors
    /// [`RecipeError`] when the recipe asks for what cannot be: a batch larger than the data.
    pub fn trainer(
        &self,
        seed: u64,
        dataset: Arc<dyn Dataset>,
        proposals: Arc<Proposals>,
        device: &Device,
    ) -> Result<Trainer> {
        let settings = &self.recipe.settings;
        let networks = Networks::new(&settings.network, seed, device)?;
        let losses = self.losses(networks.online())?;
        let images = match settings.data.limit {
            0 => dataset.len(),
            limit => limit.min(dataset.len()),
        };
        let steps_per_epoch = steps_per_epoch(self.recipe, images)?;
        let per_step = settings.train.batch * settings.train.accumulate;
        let batches = BatchMaker {
            images,
            dataset,
            proposals,
            sampler: self.view_sampler()?,
            renderer: Renderer::new(&settings.augment),
            views: settings.views.clone(),
            needs: needs(&losses),
            broken: settings.loader.broken,
            batch: settings.train.batch,
            batches_per_epoch: steps_per_epoch * settings.train.accumulate as u64,
            seed,
        };
        let peak = peak_lr(settings.optimizer.lr, per_step);
        Ok(Trainer::new(Components {
            optimizer: Optimizer::new(&settings.optimizer, networks.online())?.with_constant_lr(peak),
            networks,
            losses,
            schedule: Schedule::new(&settings.schedule, peak, settings.train.epochs, steps_per_epoch),
            batches: Arc::new(batches),
            loader: settings.loader.clone(),
            train: settings.train.clone(),
            target: settings.target.clone(),
            device: device.clone(),
            fingerprint: self.recipe.fingerprint(),
        }))
    }

    fn plugin(&self, kind: Kind, name: &str, key: &str) -> Result<&'static Registration> {
        self.registry.get(kind, name, &self.recipe.origin(key), key)
    }
}

/// The optimiser steps of an epoch of so many images.
///
/// # Errors
/// [`RecipeError`] when they do not fill one: it says with what batch they do.
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
