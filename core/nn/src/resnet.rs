//! ResNet-18 and ResNet-50 (He et al. 2016), with torchvision's names, so that its files fit.

use super::ops::{self, Map};
use super::{BatchNorm, Conv2d, Mode, Scope};
use anyhow::{Result, bail};
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use univip_stdx::config::{Invalid, at_most, require};

/// Pixels of the image a step in the last map.
pub const STRIDE: usize = 32;

/// Refuses a side of images that the backbones cannot take.
pub fn image_side(key: &'static str, side: u32) -> Result<(), Invalid> {
    require(side as usize >= STRIDE, key, || {
        format!("expected at least {STRIDE} pixels, the backbone's stride, found {side}")
    })?;
    at_most(key, side.into(), 4096)
}

/// The shape of a backbone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackboneShape {
    /// The architecture.
    pub backbone: BackboneKind,
    /// Channels of the stem; 64 is the published network.
    pub width: usize,
    /// Starts the last batch norm of each residual block at 0 (torchvision's `zero_init_residual`).
    pub zero_init_residual: bool,
}

impl Default for BackboneShape {
    fn default() -> Self {
        Self { backbone: BackboneKind::ResNet50, width: 64, zero_init_residual: false }
    }
}

/// The backbones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackboneKind {
    /// Basic blocks, 2-2-2-2.
    ResNet18,
    /// Bottleneck blocks, 3-4-6-3.
    ResNet50,
}

impl BackboneKind {
    /// As recipes and other libraries name it.
    pub fn name(self) -> &'static str {
        match self {
            BackboneKind::ResNet18 => "resnet18",
            BackboneKind::ResNet50 => "resnet50",
        }
    }
}

/// A residual network without its classifier.
pub struct Backbone {
    stem: Conv2d,
    stem_norm: BatchNorm,
    stages: Vec<Vec<Block>>,
    feature_size: usize,
    device: Device,
}

impl Backbone {
    /// A network of that shape, with parameters `conv1.weight`, `bn1.weight`,
    /// `layer1.0.conv1.weight`, ... inside `scope`.
    pub fn new(shape: impl Into<BackboneShape>, scope: &Scope) -> Result<Self> {
        let shape = shape.into();
        let (depths, expansion) = match shape.backbone {
            BackboneKind::ResNet18 => ([2, 2, 2, 2], 1),
            BackboneKind::ResNet50 => ([3, 4, 6, 3], 4),
        };
        let width = shape.width;
        let stem = Conv2d::new(3, width, 7, 2, &scope.enter("conv1"))?;
        let stem_norm = BatchNorm::new(width, &scope.enter("bn1"))?;
        let mut stages = Vec::new();
        let mut inputs = width;
        for (stage, depth) in depths.into_iter().enumerate() {
            let scope = scope.enter(format_args!("layer{}", stage + 1));
            let mut blocks = Vec::new();
            for index in 0..depth {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                blocks.push(Block::new(&shape, inputs, width << stage, stride, &scope.enter(index))?);
                inputs = (width << stage) * expansion;
            }
            stages.push(blocks);
        }
        Ok(Self { stem, stem_norm, stages, feature_size: inputs, device: scope.device().clone() })
    }

    /// Features averaged over all positions: `[B, H, W, 3]` to `[B, F]`.
    pub fn forward(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        Ok(ops::mean_pool(&self.last_stage(images, mode, |_, _| Ok(()))?)?.tensor()?)
    }

    /// The maps after each of the four stages, `[B, H_i, W_i, C_i]`, at strides 4, 8, 16 and 32.
    pub fn stages(&self, images: &Tensor, mode: Mode) -> Result<Vec<Tensor>> {
        self.maps(images, mode, 1)
    }

    /// The maps after those of the four stages, from 1, that are in `wanted`, and the last one averaged over all positions:
    /// `[B, H_i, W_i, C_i]` each and `[B, F]`.
    ///
    /// # Errors
    /// When images have not three channels.
    pub fn stages_and_pooled(
        &self,
        images: &Tensor,
        mode: Mode,
        wanted: &[usize],
    ) -> Result<(Vec<Tensor>, Tensor)> {
        let mut maps = Vec::new();
        let last = self.last_stage(images, mode, |place, map| {
            if place > 0 && wanted.contains(&place) {
                maps.push(map.tensor()?);
            }
            Ok(())
        })?;
        Ok((maps, ops::mean_pool(&last)?.tensor()?))
    }

    /// The map after the stem's ReLU, before its pooling, at stride 2, and then those of [`Backbone::stages`].
    pub fn stem_and_stages(&self, images: &Tensor, mode: Mode) -> Result<Vec<Tensor>> {
        self.maps(images, mode, 0)
    }

    /// The maps from the place `first` on: 0 is the stem, 1 the first stage.
    fn maps(&self, images: &Tensor, mode: Mode, first: usize) -> Result<Vec<Tensor>> {
        let mut maps = Vec::new();
        self.last_stage(images, mode, |place, map| {
            if place >= first {
                maps.push(map.tensor()?);
            }
            Ok(())
        })?;
        Ok(maps)
    }

    /// The map that the first stage takes, at stride 4: images `[B, H, W, 3]`.
    ///
    /// # Errors
    /// When images have not three channels.
    pub fn stem(&self, images: &Tensor, mode: Mode) -> Result<Map> {
        Ok(ops::max_pool(&self.rectified_stem(images, mode)?, 3, 2, 1)?)
    }

    /// The output of stage `index`, 0 to 3, for the map before it, or for a part of that map.
    pub fn stage(&self, index: usize, map: &Map, mode: Mode) -> Result<Map> {
        let mut x = map.clone();
        for block in &self.stages[index] {
            x = block.forward(&x, mode)?;
        }
        Ok(x)
    }

    fn rectified_stem(&self, images: &Tensor, mode: Mode) -> Result<Map> {
        if !matches!(images.dims(), [_, _, _, 3]) {
            bail!("a backbone needs images [B, H, W, 3], got {:?}", images.dims());
        }
        self.stem_norm.relu(&self.stem.forward(&Map::of(images)?)?, mode)
    }

    /// C_i, the channels of the four stages.
    pub fn stage_sizes(&self) -> [usize; 4] {
        // Each stage has twice the channels of the one before.
        [8, 4, 2, 1].map(|part| self.feature_size / part)
    }

    /// F, the size of the averaged features.
    pub fn feature_size(&self) -> usize {
        self.feature_size
    }

    /// The device of the parameters.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Calls `visit` with the stem's map (0) and those of the stages (1 to 4).
    fn last_stage(
        &self,
        images: &Tensor,
        mode: Mode,
        mut visit: impl FnMut(usize, &Map) -> Result<()>,
    ) -> Result<Map> {
        let x = self.rectified_stem(images, mode)?;
        visit(0, &x)?;
        let mut x = ops::max_pool(&x, 3, 2, 1)?;
        for index in 0..self.stages.len() {
            x = self.stage(index, &x, mode)?;
            visit(index + 1, &x)?;
        }
        Ok(x)
    }
}

/// A residual block: convolutions with batch norm, ReLU after each, the last after the sum with the input.
struct Block {
    layers: Vec<(Conv2d, BatchNorm)>,
    shortcut: Option<(Conv2d, BatchNorm)>,
}

impl Block {
    fn new(shape: &BackboneShape, inputs: usize, width: usize, stride: usize, scope: &Scope) -> Result<Self> {
        // Outputs, kernel and stride of each convolution. The bottleneck strides in its 3x3 convolution
        // ("v1.5", as torchvision).
        let plan = match shape.backbone {
            BackboneKind::ResNet18 => vec![(width, 3, stride), (width, 3, 1)],
            BackboneKind::ResNet50 => vec![(width, 1, 1), (width, 3, stride), (4 * width, 1, 1)],
        };
        let mut layers = Vec::new();
        let mut channels = inputs;
        for (index, &(outputs, kernel, stride)) in plan.iter().enumerate() {
            let name = index + 1;
            let is_last = name == plan.len();
            let weight = if is_last && shape.zero_init_residual { 0.0 } else { 1.0 };
            let conv =
                Conv2d::new(channels, outputs, kernel, stride, &scope.enter(format_args!("conv{name}")))?;
            let norm = BatchNorm::with_weight(outputs, weight, &scope.enter(format_args!("bn{name}")))?;
            layers.push((conv, norm));
            channels = outputs;
        }
        let shortcut = if stride != 1 || inputs != channels {
            let scope = scope.enter("downsample");
            let conv = Conv2d::new(inputs, channels, 1, stride, &scope.enter(0))?;
            Some((conv, BatchNorm::new(channels, &scope.enter(1))?))
        } else {
            None
        };
        Ok(Self { layers, shortcut })
    }

    fn forward(&self, x: &Map, mode: Mode) -> Result<Map> {
        let residual = match &self.shortcut {
            Some((conv, norm)) => norm.forward(&conv.forward(x)?, mode)?,
            None => x.clone(),
        };
        let mut y = x.clone();
        for (index, (conv, norm)) in self.layers.iter().enumerate() {
            let z = conv.forward(&y)?;
            y = if index + 1 == self.layers.len() {
                norm.add_relu(&z, &residual, mode)?
            } else {
                norm.relu(&z, mode)?
            };
        }
        Ok(y)
    }
}
