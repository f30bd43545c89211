//! Batches, prepared ahead by worker threads, in an order and with contents that no thread decides.

use crate::data::BrokenImage;
use crate::dataset::Dataset;
use crate::error::ImageError;
use crate::geometry::Size;
use crate::proposals::Proposals;
use crate::seed::stream;
use crate::views::augment::{Renderer, ViewKind};
use crate::views::{InstanceAugmentation, LoaderSettings, Needs, ViewSampler, ViewSettings};
use anyhow::{Context, Result, anyhow, bail};
use candle_core::{Device, Tensor};
use rand::seq::SliceRandom;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// The tensors of one forward pass: B images, K instances each.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The first scene views, then the second ones. `[2B, S, S, 3]`.
    pub scenes: Tensor,
    /// What the online network sees of the instances: all first ones, all second ones, ... `[K B, s, s, 3]`.
    pub online_instances: Option<Tensor>,
    /// What the target network sees of them, in the same order.
    pub target_instances: Option<Tensor>,
    /// K.
    pub instances: usize,
    /// The images' ids, in order.
    pub ids: Vec<String>,
    /// Images that could not be read, with the reason; others stand in their place.
    pub skipped: Vec<String>,
}

impl Batch {
    /// B.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The same batch on `device`.
    pub fn to_device(self, device: &Device) -> Result<Self> {
        let moved = |images: Option<Tensor>| images.map(|images| images.to_device(device)).transpose();
        Ok(Self {
            scenes: self.scenes.to_device(device)?,
            online_instances: moved(self.online_instances)?,
            target_instances: moved(self.target_instances)?,
            ..self
        })
    }
}

/// What a batch is made of and with.
pub struct BatchMaker {
    /// The images.
    pub dataset: Arc<dyn Dataset>,
    /// How many of them are used, from the first.
    pub images: usize,
    /// Their boxes.
    pub proposals: Arc<Proposals>,
    /// Chooses the crops.
    pub sampler: Box<dyn ViewSampler>,
    /// Draws them.
    pub renderer: Renderer,
    /// The sizes, and K.
    pub views: ViewSettings,
    /// Which instances are drawn at all.
    pub needs: Needs,
    /// What to do with a broken image.
    pub broken: BrokenImage,
    /// B.
    pub batch: usize,
    /// The batches of an epoch: whole optimiser steps, the images that do not fill one are left out.
    pub batches_per_epoch: u64,
    /// The run's seed.
    pub seed: u64,
}

impl BatchMaker {
    /// Batch `number` of the run, counted from 0.
    pub fn make(&self, number: u64) -> Result<Batch> {
        let (epoch, place) = (number / self.batches_per_epoch, number % self.batches_per_epoch);
        let order = self.order(epoch);
        let start = place as usize * self.batch;
        let (scene, instance) = (self.views.scene_size as usize, self.views.instance_size as usize);
        let (batch, instances) = (self.batch, self.views.instances);
        let (scene_pixels, instance_pixels) = (scene * scene * 3, instance * instance * 3);
        let mut scenes = vec![0f32; 2 * batch * scene_pixels];
        let (draw_online, draw_target) = self.drawn();
        let mut online = vec![0f32; if draw_online { instances * batch * instance_pixels } else { 0 }];
        let mut target = vec![0f32; if draw_target { instances * batch * instance_pixels } else { 0 }];
        let (mut ids, mut skipped) = (Vec::new(), Vec::new());
        for (slot, &wanted) in order[start..start + batch].iter().enumerate() {
            let (index, image) = self.readable(wanted, &mut skipped)?;
            let size = Size { width: image.width(), height: image.height() };
            let boxes = match instances {
                0 => Vec::new(),
                _ => self.proposals.boxes(&*self.dataset, index)?,
            };
            let names = [epoch, index as u64, slot as u64 + start as u64];
            let plan = self
                .sampler
                .sample(size, &boxes, &mut stream(self.seed, "views", &names))
                .with_context(|| format!("views of image {}", self.dataset.id(index)))?;
            if plan.instances.len() != instances {
                bail!(
                    "the view sampler `{}` returned {} instances for image {}, expected {instances}",
                    self.views.name,
                    plan.instances.len(),
                    self.dataset.id(index)
                );
            }
            let augment = |view: u64| stream(self.seed, "augment", &[names[0], names[1], names[2], view]);
            let draw = |crop, side: usize, kind, view, place: usize, out: &mut [f32]| {
                let pixels = side * side * 3;
                let out = &mut out[place * pixels..(place + 1) * pixels];
                let drawn = self.renderer.view(&image, crop, side as u32, kind, &mut augment(view), out);
                drawn.with_context(|| {
                    format!(
                        "a view of image {} by the view sampler `{}`",
                        self.dataset.id(index),
                        self.views.name
                    )
                })
            };
            draw(&plan.scenes[0], scene, ViewKind::One, 0, slot, &mut scenes)?;
            draw(&plan.scenes[1], scene, ViewKind::Two, 1, batch + slot, &mut scenes)?;
            for (k, crop) in plan.instances.iter().enumerate() {
                let place = k * batch + slot;
                if draw_online {
                    draw(crop, instance, ViewKind::One, 2 + 2 * k as u64, place, &mut online)?;
                }
                if draw_target {
                    draw(crop, instance, ViewKind::Two, 3 + 2 * k as u64, place, &mut target)?;
                }
            }
            ids.push(self.dataset.id(index));
        }
        let tensor = |values: Vec<f32>, side: usize| -> Result<Tensor> {
            let count = values.len() / (side * side * 3);
            Ok(Tensor::from_vec(values, (count, side, side, 3), &Device::Cpu)?)
        };
        let online = if draw_online { Some(tensor(online, instance)?) } else { None };
        let target = if draw_target { Some(tensor(target, instance)?) } else { online.clone() };
        Ok(Batch {
            scenes: tensor(scenes, scene)?,
            online_instances: online,
            target_instances: target,
            instances,
            ids,
            skipped,
        })
    }

    /// Whether instances are drawn for the online network, and apart from those for the target network.
    fn drawn(&self) -> (bool, bool) {
        let shared = self.views.instance_augmentation == InstanceAugmentation::Shared;
        match shared {
            true => (self.needs.instances(), false),
            false => (self.needs.online_instances, self.needs.target_instances),
        }
    }

    /// The order of an epoch's images.
    fn order(&self, epoch: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.images).collect();
        order.shuffle(&mut stream(self.seed, "shuffle", &[epoch]));
        order
    }

    /// The image at `wanted` or, when it is broken and the recipe allows it, the next readable one.
    fn readable(&self, wanted: usize, skipped: &mut Vec<String>) -> Result<(usize, image::RgbImage)> {
        for offset in 0..self.images {
            let index = (wanted + offset) % self.images;
            match self.dataset.image(index) {
                Ok(image) => return Ok((index, image)),
                Err(error) if self.broken == BrokenImage::Skip && error.is::<ImageError>() => {
                    skipped.push(format!("{error:#}"));
                }
                // Any other error is a mistake of the dataset's, which other images would only hide.
                Err(error) => return Err(error.context(format!("image {}", self.dataset.id(index)))),
            }
        }
        bail!("not one of the {} images can be read; the first: {}", self.images, skipped[0])
    }
}

/// Makes batches ahead of their use.
pub struct Loader {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// The next batch that nobody has begun.
    begin: u64,
    /// The next batch to hand out.
    hand_out: u64,
    /// One past the last batch.
    end: u64,
    ready: BTreeMap<u64, Result<Batch>>,
}

impl Loader {
    /// Makes the batches `numbers`, in order.
    pub fn new(
        maker: Arc<BatchMaker>,
        numbers: std::ops::Range<u64>,
        settings: &LoaderSettings,
    ) -> Result<Self> {
        let state =
            State { begin: numbers.start, hand_out: numbers.start, end: numbers.end, ready: BTreeMap::new() };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let count = match settings.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        };
        let ahead = settings.ahead.max(1) as u64;
        let spawn = |worker| {
            let (maker, shared) = (maker.clone(), shared.clone());
            let name = format!("loader {worker}");
            std::thread::Builder::new().name(name).spawn(move || work(&maker, &shared, ahead))
        };
        let workers =
            (0..count).map(spawn).collect::<std::io::Result<_>>().context("starting loader threads")?;
        Ok(Self { shared, workers })
    }
}

impl Iterator for Loader {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut state = self.shared.lock();
        if state.hand_out >= state.end {
            return None;
        }
        let number = state.hand_out;
        loop {
            if let Some(batch) = state.ready.remove(&number) {
                state.hand_out += 1;
                self.shared.changed.notify_all();
                return Some(batch);
            }
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.begin = state.end;
        drop(state);
        self.shared.changed.notify_all();
        for worker in self.workers.drain(..) {
            // A worker reports its failures through the batches; there is nobody left to tell here.
            let _ = worker.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn work(maker: &BatchMaker, shared: &Shared, ahead: u64) {
    let mut state = shared.lock();
    loop {
        if state.begin >= state.end {
            return;
        }
        if state.begin >= state.hand_out + ahead {
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        let number = state.begin;
        state.begin += 1;
        drop(state);
        // A plugin that panics must stop the run with its message, not leave the trainer waiting.
        let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| maker.make(number)));
        let batch =
            made.unwrap_or_else(|_| Err(anyhow!("batch {number}: a data plugin panicked (see above)")));
        state = shared.lock();
        state.ready.insert(number, batch);
        shared.changed.notify_all();
    }
}
