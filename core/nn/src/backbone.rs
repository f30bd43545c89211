//! Backbones: the networks that images go into, and what everything behind them may ask of one.

use super::ops::{self, Map};
use super::{Mode, Scope};
use anyhow::{Context, Result, ensure};
use candle_core::{Device, Tensor};
use std::sync::Arc;
use univip_stdx::config::{Invalid, at_most, require};

/// The largest stride of a backbone's last map: pixels of the image per step.
pub const STRIDE: usize = 32;

/// The most stages that a backbone may have: losses and heads name them `stage1` to `stage4`.
pub const STAGES: usize = 4;

/// Refuses a side of images that the backbones cannot take.
pub fn image_side(key: &'static str, side: u32) -> Result<(), Invalid> {
    require(side as usize >= STRIDE, key, || {
        format!("expected at least {STRIDE} pixels, the backbone's stride, found {side}")
    })?;
    at_most(key, side.into(), 4096)
}

/// The map after one stage of a backbone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// Pixels of the image per step in the map.
    pub stride: usize,
    /// C, its channels.
    pub channels: usize,
}

/// A network from images to maps, one after each of its stages, and to pooled features.
///
/// Its parameters are made in a [`Scope`], each with its [`Role`](super::Role). A backbone is run stage by stage, so that a
/// detector can stop in the middle and put the last stage behind regions of a map; the other methods follow from these.
pub trait Backbone: Send + Sync {
    /// The maps, finest first: 1 to [`STAGES`] of them, of strides that do not fall and end at [`STRIDE`] or below.
    fn stages(&self) -> &[Stage];

    /// The map before the first stage: `[B, H, W, C]` of images `[B, S, S', 3]`.
    ///
    /// # Errors
    /// When images have not three channels.
    fn stem(&self, images: &Tensor, mode: Mode) -> Result<Map>;

    /// The map after stage `index`, from 0, for the map before it (the stem's before stage 0), or for a part of that map.
    ///
    /// # Errors
    /// When the map has not the channels of the stage before, or batch norm has too few values.
    fn stage(&self, index: usize, map: &Map, mode: Mode) -> Result<Map>;

    /// The device of the parameters.
    fn device(&self) -> &Device;

    /// The features of the last map: `[B, F]`, the mean over all positions unless a backbone says otherwise.
    ///
    /// # Errors
    /// When the device has no memory for them.
    fn pool(&self, last: &Map) -> Result<Tensor> {
        Ok(ops::mean_pool(last)?.tensor()?)
    }

    /// F, the size of the pooled features.
    fn feature_size(&self) -> usize {
        self.stages().last().map_or(0, |stage| stage.channels)
    }

    /// Pooled features `[B, F]` of images `[B, S, S', 3]`.
    ///
    /// # Errors
    /// As [`Backbone::stem`] and [`Backbone::stage`].
    fn forward(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        Ok(self.maps_and_pooled(images, mode, &[])?.1)
    }

    /// The map after each stage, `[B, H_i, W_i, C_i]`.
    ///
    /// # Errors
    /// As [`Backbone::forward`].
    fn maps(&self, images: &Tensor, mode: Mode) -> Result<Vec<Tensor>> {
        let mut maps = self.stem_and_maps(images, mode)?;
        maps.remove(0);
        Ok(maps)
    }

    /// The stem's map, and those of [`Backbone::maps`].
    ///
    /// # Errors
    /// As [`Backbone::forward`].
    fn stem_and_maps(&self, images: &Tensor, mode: Mode) -> Result<Vec<Tensor>> {
        let mut map = self.stem(images, mode)?;
        let mut maps = vec![map.tensor()?];
        for index in 0..self.stages().len() {
            map = self.stage(index, &map, mode)?;
            maps.push(map.tensor()?);
        }
        Ok(maps)
    }

    /// The maps after those stages, from 1, that are in `wanted`, `[B, H_i, W_i, C_i]`, and the pooled features `[B, F]`.
    ///
    /// # Errors
    /// As [`Backbone::forward`].
    fn maps_and_pooled(
        &self,
        images: &Tensor,
        mode: Mode,
        wanted: &[usize],
    ) -> Result<(Vec<Tensor>, Tensor)> {
        let mut map = self.stem(images, mode)?;
        let mut maps = Vec::new();
        for index in 0..self.stages().len() {
            map = self.stage(index, &map, mode)?;
            if wanted.contains(&(index + 1)) {
                maps.push(map.tensor()?);
            }
        }
        let pooled = self.pool(&map)?;
        Ok((maps, pooled))
    }
}

/// Makes a backbone where its parameters live.
pub type BuildBackbone = dyn Fn(&Scope) -> Result<Box<dyn Backbone>> + Send + Sync;

/// A backbone that can be made any number of times: online, as target, frozen, as a copy to fine-tune.
#[derive(Clone)]
pub struct BackbonePlan {
    name: String,
    width: usize,
    build: Arc<BuildBackbone>,
}

impl BackbonePlan {
    /// The backbone that `build` makes, as recipes name it, of `width` channels in its stem.
    pub fn new(
        name: impl Into<String>,
        width: usize,
        build: impl Fn(&Scope) -> Result<Box<dyn Backbone>> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), width, build: Arc::new(build) }
    }

    /// Its name in recipes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The channels of its stem.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Makes it, with its parameters in `scope`.
    ///
    /// # Errors
    /// Naming the backbone: when it cannot be made, or its stages are not what [`Backbone::stages`] promises.
    pub fn build(&self, scope: &Scope) -> Result<Box<dyn Backbone>> {
        let about = || format!("backbone `{}` of width {}", self.name, self.width);
        let backbone = (self.build)(scope).with_context(about)?;
        let stages = backbone.stages();
        let strides: Vec<usize> = stages.iter().map(|stage| stage.stride).collect();
        ensure!(
            (1..=STAGES).contains(&strides.len())
                && strides.is_sorted()
                && strides.iter().all(|stride| (1..=STRIDE).contains(stride)),
            "{} has stages of the strides {strides:?}: expected 1 to {STAGES}, none smaller than the one before, up to {STRIDE}",
            about()
        );
        Ok(backbone)
    }
}
