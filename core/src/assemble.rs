//! From a recipe and the plugins of this binary to components: the one place where names become objects.

use crate::dataset::{Dataset, Split};
use crate::error::{NotApplicable, RecipeError};
use crate::evaluate::Evaluator;
use crate::loss::LossContext;
use crate::networks::{HeadPlan, Needs, NetworkParts, NetworkSettings, Networks};
use crate::nn::optim::{Optimizer, Schedule, peak_lr};
use crate::nn::{BackbonePlan, backbone_file};
use crate::online_probe::{OnlineProbe, Shown};
use crate::proposals::{Proposals, StoreKey};
use crate::recipe::init::digest as file_digest;
use crate::recipe::{Measurement, Recipe, TrainSettings};
use crate::registry::{Kind, Registration, Registry};
use crate::step::{Method, WeightedLoss};
use crate::training::trainer::{Components, Trainer};
use crate::views::augment::Renderer;
use crate::views::{BatchMaker, EpochOrder, Group, ViewSampler};
use anyhow::Result;
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
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
        let name = &self.recipe.settings.views.name;
        let plugin = self.plugin(Kind::Views, name, "views.use")?;
        plugin.views(&self.recipe.table(Kind::Views, name), self.recipe.view_context())
    }

    /// Both networks, with the heads that the losses read.
    ///
    /// # Errors
    /// When the backbone or a head refuses its table or cannot be built; when the file of initial weights has changed or is not of
    /// this backbone: all tensors that are missing, left over or of another shape are listed.
    pub fn networks(&self, groups: Vec<Group>, seed: u64, device: &Device) -> Result<Networks> {
        let settings = &self.recipe.settings;
        let head = |name: &String| {
            let (placement, plugin, table) = self.recipe.head(name, self.registry)?;
            let build = Box::new(move |context| plugin.head(&table, context));
            Ok(HeadPlan { name: name.clone(), placement, build })
        };
        let heads = settings.heads.names.iter().map(head).collect::<Result<_>>()?;
        let needs: Needs =
            self.recipe.needs(self.registry)?.into_iter().flat_map(|(_, needs)| needs).collect();
        let backbone = self.recipe.backbone(self.registry)?;
        let init = self.initial_values(&backbone, device)?;
        let parts = NetworkParts { settings: &settings.network, backbone, init, groups, heads, needs, seed };
        Networks::new(parts, device)
    }

    /// The values of `network.init`.
    fn initial_values(
        &self,
        backbone: &BackbonePlan,
        device: &Device,
    ) -> Result<Option<BTreeMap<String, Tensor>>> {
        let NetworkSettings { init, init_sha256, .. } = &self.recipe.settings.network;
        if init.is_empty() {
            return Ok(None);
        }
        let path = Path::new(init);
        let refused = |problem: String| self.recipe.error("network.init", problem);
        let found = file_digest(path).map_err(|error| refused(format!("{init}: {error}")))?;
        if Some(&found) != init_sha256.as_ref() {
            let problem = format!("{init} has changed since the recipe was read (SHA-256 {found} now)");
            return Err(refused(problem).into());
        }
        let read = backbone_file::read(path, backbone, device);
        Ok(Some(read.map_err(|error| refused(format!("{error:#}")))?.tensors()))
    }

    /// The losses, with their parameters among the online network's.
    ///
    /// # Errors
    /// When one refuses its table or its parameters cannot be made.
    pub fn losses(&self, networks: &Networks, data: &DataFacts<'_>) -> Result<Vec<WeightedLoss>> {
        let settings = &self.recipe.settings;
        let build = |(name, needs): (String, Needs)| {
            let plugin = self.plugin(Kind::Loss, &name, "losses.use")?;
            let context = LossContext {
                parameters: networks.online().trainable().enter("loss").enter(&name),
                sizes: networks.sizes(),
                groups: data.groups.to_vec(),
                images: data.images,
                batch: settings.train.batch,
                passes: settings.train.accumulate,
                classes: data.classes,
            };
            let weight = settings.losses.weights.get(&name).copied().unwrap_or(1.0);
            let loss = plugin.loss(&self.recipe.table(Kind::Loss, &name), context)?;
            Ok(WeightedLoss { name, weight, needs, loss })
        };
        self.recipe.needs(self.registry)?.into_iter().map(build).collect()
    }

    /// The evaluator of a measurement.
    ///
    /// # Errors
    /// When it is not known or refuses its table.
    pub fn evaluator(&self, name: &str) -> Result<Box<dyn Evaluator>> {
        let (plugin, table) = self.recipe.evaluator(name, "evaluators.use", self.registry)?;
        plugin.evaluator(&table)
    }

    /// The measurements called `names`, which need not be among those that the recipe asks for.
    ///
    /// # Errors
    /// As [`Assembly::evaluator`].
    pub fn measurements(&self, names: &[String]) -> Result<Vec<Measurement>> {
        let measurement =
            |name: &String| self.recipe.measurement(name, self.registry, &*self.evaluator(name)?);
        names.iter().map(measurement).collect()
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
        let images = match settings.data.limit {
            0 => dataset.len(),
            limit => limit.min(dataset.len()),
        };
        let steps_per_epoch = steps_per_epoch(self.recipe, images)?;
        let per_step = settings.train.batch * settings.train.accumulate;
        let sampler = self.view_sampler()?;
        let groups = sampler.groups();
        let networks = self.networks(groups.clone(), seed, device)?;
        let facts = DataFacts { groups: &groups, images, classes: classes(&*dataset) };
        let losses = self.losses(&networks, &facts)?;
        let needs = losses.iter().flat_map(|each| &each.needs);
        let batches = BatchMaker {
            order: EpochOrder::new(images, seed),
            dataset,
            proposals: (settings.views.instances > 0).then_some(proposals),
            sampler,
            sampler_name: settings.views.name.clone(),
            renderer: Renderer::new(&settings.augment),
            rendered: needs.map(|output| output.group.clone()).collect(),
            broken: settings.loader.broken,
            batch: settings.train.batch,
            batches_per_epoch: steps_per_epoch * settings.train.accumulate as u64,
        };
        let peak = peak_lr(settings.optimizer.lr, per_step);
        let optimizer = Optimizer::new(&settings.optimizer, networks.online())?.with_constant_lr(peak);
        Ok(Trainer::new(Components {
            method: Method { networks, losses, optimizer },
            rank_size: groups.first().map_or(settings.views.scene_size, |group| group.size),
            schedule: Schedule::new(&settings.schedule, peak, settings.train.epochs, steps_per_epoch),
            batches: Arc::new(batches),
            loader: settings.loader.clone(),
            train: settings.train.clone(),
            target: settings.target.clone(),
            device: device.clone(),
            fingerprint: self.recipe.fingerprint(),
        }))
    }

    fn plugin(&self, kind: Kind, name: &str, key: &str) -> Result<&'static Registration, RecipeError> {
        self.registry.get(kind, name, &self.recipe.origin(key), key)
    }
}

/// The data as losses are told of it.
#[derive(Debug, Clone, Copy)]
pub struct DataFacts<'a> {
    /// The view sampler's groups.
    pub groups: &'a [Group],
    /// N, the number of images that are learned from.
    pub images: usize,
    /// The number of classes; 0 without labels.
    pub classes: usize,
}

/// The number of classes that images are labelled with. Scenes name the classes of their objects, and have no label as a whole.
fn classes(dataset: &dyn Dataset) -> usize {
    let labelled = !dataset.is_empty() && dataset.label(0).is_some();
    if labelled { dataset.classes().len() } else { 0 }
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
