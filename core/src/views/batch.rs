//! The tensors of one forward pass, and how they are made from images.

use crate::data::BrokenImage;
use crate::dataset::Dataset;
use crate::error::ImageError;
use crate::geometry::Size;
use crate::proposals::Proposals;
use crate::seed::{Stream, stream};
use crate::views::augment::Renderer;
use crate::views::{Group, INSTANCE, INSTANCE_TARGET, SCENE, Subject, View, ViewPlan, ViewSampler};
use anyhow::{Context, Result, bail, ensure};
use candle_core::{Device, Tensor};
use image::RgbImage;
use rand::seq::SliceRandom;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// The tensors of one forward pass over B images.
#[derive(Debug, Clone)]
pub struct Batch {
    /// By the name of their group: its V views, `[V B, S, S, 3]`, all first views, then all second ones, ...
    pub groups: BTreeMap<String, Tensor>,
    /// Facts of the images.
    pub facts: Facts,
    /// The images' ids, in order.
    pub ids: Vec<String>,
    /// Images that could not be read, with the reason; others stand in their place.
    pub skipped: Vec<String>,
}

/// Facts of a batch that a loss may know besides features.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The number of the batch in the run, counted from 0.
    pub number: u64,
    /// The images' indices in the dataset. `[B]`.
    pub indices: Vec<usize>,
    /// Their classes, where each image has one. `[B]`.
    pub labels: Option<Vec<u32>>,
    /// Their views, with the flips that were chosen. `[B]`.
    pub plans: Vec<ViewPlan>,
}

impl Batch {
    /// B.
    pub fn len(&self) -> usize {
        self.facts.indices.len()
    }

    /// True if there is no image.
    pub fn is_empty(&self) -> bool {
        self.facts.indices.is_empty()
    }

    /// The same batch on `device`.
    pub fn to_device(self, device: &Device) -> Result<Self> {
        let moved = self.groups.into_iter().map(|(name, images)| Ok((name, images.to_device(device)?)));
        Ok(Self { groups: moved.collect::<Result<_>>()?, ..self })
    }
}

/// Makes batches: the images, their boxes, the sampler and the renderer.
pub struct BatchMaker {
    /// The images.
    pub dataset: Arc<dyn Dataset>,
    /// The order of the images that are used, in each epoch.
    pub order: EpochOrder,
    /// Their boxes; none where no sampler asks for any.
    pub proposals: Option<Arc<Proposals>>,
    /// Plans the views.
    pub sampler: Box<dyn ViewSampler>,
    /// The sampler's name in the recipe.
    pub sampler_name: String,
    /// Renders the views.
    pub renderer: Renderer,
    /// The groups that are rendered; the others are planned only.
    pub rendered: BTreeSet<String>,
    /// The handling of a broken image.
    pub broken: BrokenImage,
    /// B.
    pub batch: usize,
    /// The batches of an epoch: whole optimiser steps, the images that do not fill one are left out.
    pub batches_per_epoch: u64,
}

/// A shuffled order of images for each epoch of a run.
pub struct EpochOrder {
    images: usize,
    seed: u64,
    /// The epoch that was asked for last: an order is shuffled once and not for each batch.
    last: Mutex<Option<(u64, Arc<Vec<usize>>)>>,
}

impl EpochOrder {
    /// The orders of `images` images in a run with `seed`.
    pub fn new(images: usize, seed: u64) -> Self {
        Self { images, seed, last: Mutex::new(None) }
    }

    /// The number of images.
    pub fn images(&self) -> usize {
        self.images
    }

    /// The run's seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The order of an epoch's images.
    pub fn of(&self, epoch: u64) -> Arc<Vec<usize>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, order)) = &*last
            && *known == epoch
        {
            return order.clone();
        }
        let mut order: Vec<usize> = (0..self.images).collect();
        order.shuffle(&mut stream(self.seed, "shuffle", &[epoch]));
        let order = Arc::new(order);
        *last = Some((epoch, order.clone()));
        order
    }
}

impl BatchMaker {
    /// Batch `number` of the run, counted from 0.
    ///
    /// # Errors
    /// When an image cannot be read and `broken` does not allow it, the sampler's plan is not of its groups, or a view
    /// does not lie inside its image; named by image and sampler.
    pub fn make(&self, number: u64) -> Result<Batch> {
        let (epoch, place) = (number / self.batches_per_epoch, number % self.batches_per_epoch);
        let order = self.order.of(epoch);
        let start = place as usize * self.batch;
        let groups = self.sampler.groups();
        let mut canvases = self.canvases(&groups);
        let (mut ids, mut skipped, mut facts) =
            (Vec::new(), Vec::new(), Facts { number, ..Facts::default() });
        let mut labels = Vec::new();
        for (slot, &wanted) in order[start..start + self.batch].iter().enumerate() {
            let (index, image) = self.readable(wanted, &mut skipped)?;
            let place = Place { index, slot, names: [epoch, index as u64, (slot + start) as u64] };
            let plan = self.plan(&image, &groups, place)?;
            facts.plans.push(self.render(&image, plan, place, &groups, &mut canvases)?);
            facts.indices.push(index);
            labels.extend(self.dataset.label(index).map(|label| label as u32));
            ids.push(self.dataset.id(index));
        }
        facts.labels = (labels.len() == self.batch).then_some(labels);
        Ok(Batch { groups: tensors(&groups, canvases, &self.rendered)?, facts, ids, skipped })
    }

    /// Zeroed pixels for the groups that are rendered: those that are asked for, or whose pixels are.
    fn canvases(&self, groups: &[Group]) -> BTreeMap<String, Vec<f32>> {
        let asked = groups.iter().filter(|group| self.rendered.contains(&group.name));
        let own = asked.map(|group| group.pixels_of.as_ref().unwrap_or(&group.name));
        let sources: BTreeSet<&String> = own.collect();
        let length = |group: &Group| group.views() * self.batch * pixels(group.size);
        let zeroed = groups.iter().filter(|group| sources.contains(&group.name));
        zeroed.map(|group| (group.name.clone(), vec![0f32; length(group)])).collect()
    }

    /// The views of an image, checked against the sampler's own groups.
    fn plan(&self, image: &RgbImage, groups: &[Group], place: Place) -> Result<ViewPlan> {
        let index = place.index;
        let size = Size { width: image.width(), height: image.height() };
        let boxes = match &self.proposals {
            None => Vec::new(),
            Some(proposals) => proposals.boxes(&*self.dataset, index)?,
        };
        let subject = Subject { index, size, boxes: &boxes };
        let plan = self
            .sampler
            .sample(&subject, &mut stream(self.order.seed, "views", &place.names))
            .with_context(|| format!("views of image {}", self.dataset.id(index)))?;
        for group in groups {
            let (found, expected) = (plan.views(&group.name).len(), group.views());
            ensure!(
                found == expected,
                "the view sampler `{}` returned {found} views of the group `{}` for image {}, expected {expected}",
                self.sampler_name,
                group.name,
                self.dataset.id(index)
            );
        }
        Ok(plan)
    }

    /// Renders the views of an image and returns their plan with the flips that were chosen.
    fn render(
        &self,
        image: &RgbImage,
        mut plan: ViewPlan,
        place: Place,
        groups: &[Group],
        canvases: &mut BTreeMap<String, Vec<f32>>,
    ) -> Result<ViewPlan> {
        for group in groups {
            let Some(canvas) = canvases.get_mut(&group.name) else { continue };
            let views = plan.groups.get_mut(&group.name).into_iter().flatten();
            for (number, (view, augmentation)) in views.zip(&group.augment).enumerate() {
                let length = pixels(group.size);
                let start = (number * self.batch + place.slot) * length;
                let out = &mut canvas[start..start + length];
                let mut stream = view_stream(self.order.seed, group, number, place);
                self.render_view(image, view, augmentation, group.size, (&mut stream, out)).with_context(
                    || {
                        let id = self.dataset.id(place.index);
                        format!("a view of image {id} by the view sampler `{}`", self.sampler_name)
                    },
                )?;
            }
        }
        Ok(plan)
    }

    fn render_view(
        &self,
        image: &RgbImage,
        view: &mut View,
        augmentation: &str,
        size: u32,
        (stream, out): (&mut Stream, &mut [f32]),
    ) -> Result<()> {
        let crop = view.as_crop().context(
            "only views of one crop can be rendered so far: no layers of other images, no blank ones, no tiles",
        )?;
        let mut parameters = self.renderer.draw(augmentation, stream)?;
        parameters.flip = view.flip.unwrap_or(parameters.flip);
        view.flip = Some(parameters.flip);
        self.renderer.render(image, &crop, size, &parameters, out)
    }

    /// The image at `wanted` or, when it is broken and the recipe allows it, the next readable one.
    fn readable(&self, wanted: usize, skipped: &mut Vec<String>) -> Result<(usize, RgbImage)> {
        let images = self.order.images;
        for offset in 0..images {
            let index = (wanted + offset) % images;
            match self.dataset.image(index) {
                Ok(image) => return Ok((index, image)),
                Err(error @ ImageError::Broken { .. }) if self.broken == BrokenImage::Skip => {
                    skipped.push(error.to_string());
                }
                Err(error) => {
                    return Err(error).with_context(|| format!("image {}", self.dataset.id(index)));
                }
            }
        }
        bail!("not one of the {images} images can be read; the first: {}", skipped[0])
    }
}

/// An image and its place in the batch.
#[derive(Clone, Copy)]
struct Place {
    index: usize,
    slot: usize,
    /// Epoch, image and place in the epoch's order: what its random streams are numbered by.
    names: [u64; 3],
}

/// The stream of a view's augmentation. UniVIP's groups are numbered (scenes 0 and 1, then instances alternately for
/// the online and the target network); every other view has a stream named by its group, so that no group shifts
/// another one's numbers.
fn view_stream(seed: u64, group: &Group, view: usize, place: Place) -> Stream {
    let [epoch, index, slot] = place.names;
    let view = view as u64;
    let numbered = |number| stream(seed, "augment", &[epoch, index, slot, number]);
    match group.name.as_str() {
        SCENE if view < 2 => numbered(view),
        INSTANCE => numbered(2 + 2 * view),
        INSTANCE_TARGET => numbered(3 + 2 * view),
        name => stream(seed, &format!("augment {name}"), &[epoch, index, slot, view]),
    }
}

/// The floats of a view of that side.
fn pixels(side: u32) -> usize {
    side as usize * side as usize * 3
}

/// The tensor of each group that is asked for, `[V B, S, S, 3]`.
fn tensors(
    groups: &[Group],
    canvases: BTreeMap<String, Vec<f32>>,
    asked: &BTreeSet<String>,
) -> Result<BTreeMap<String, Tensor>> {
    let mut rendered = BTreeMap::new();
    for (name, values) in canvases {
        let group = groups.iter().find(|group| group.name == name).context("a canvas of no group")?;
        let (side, count) = (group.size as usize, values.len() / pixels(group.size).max(1));
        rendered.insert(name, Tensor::from_vec(values, (count, side, side, 3), &Device::Cpu)?);
    }
    let asked = groups.iter().filter(|group| asked.contains(&group.name));
    let shared = asked.map(|group| {
        let source = group.pixels_of.as_ref().unwrap_or(&group.name);
        let images = rendered.get(source).with_context(|| {
            format!("the group `{}` shares the pixels of `{source}`, which is no group", group.name)
        })?;
        Ok((group.name.clone(), images.clone()))
    });
    shared.collect()
}
