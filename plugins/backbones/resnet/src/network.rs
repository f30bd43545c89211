//! A residual network without its classifier.

use crate::block::{Block, BlockShape, Kind};
use anyhow::{Result, bail, ensure};
use candle_core::{Device, Tensor};
use univip_core::nn::backbone::Stage;
use univip_core::nn::ops::{self, Map};
use univip_core::nn::{Backbone, BatchNorm, Conv2d, Mode, Scope};

/// The shape of a residual network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Its layers: 18, 34, 50 or 101.
    pub layers: usize,
    /// Channels of the stem; 64 is the published network.
    pub width: usize,
    /// Starts the last batch norm of each residual block at 0 (torchvision's `zero_init_residual`).
    pub zero_init_residual: bool,
}

impl Shape {
    /// The kind of the blocks, and their number in each stage.
    fn blocks(&self) -> Result<(Kind, [usize; 4])> {
        Ok(match self.layers {
            18 => (Kind::Basic, [2, 2, 2, 2]),
            34 => (Kind::Basic, [3, 4, 6, 3]),
            50 => (Kind::Bottleneck, [3, 4, 6, 3]),
            101 => (Kind::Bottleneck, [3, 4, 23, 3]),
            other => bail!("no residual network of {other} layers is known, only of 18, 34, 50 and 101"),
        })
    }
}

/// A residual network of four stages, at strides 4, 8, 16 and 32.
pub struct Network {
    stem: Conv2d,
    stem_norm: BatchNorm,
    blocks: Vec<Vec<Block>>,
    stages: [Stage; 4],
    device: Device,
}

impl Network {
    /// A network of that shape, with parameters `conv1.weight`, `bn1.weight`, `layer1.0.conv1.weight`, ... inside `scope`.
    ///
    /// # Errors
    /// When there is no network of so many layers, or no memory for it.
    pub fn new(shape: Shape, scope: &Scope) -> Result<Self> {
        let (kind, depths) = shape.blocks()?;
        let width = shape.width;
        let stem = Conv2d::new(3, width, 7, 2, &scope.enter("conv1"))?;
        let stem_norm = BatchNorm::new(width, &scope.enter("bn1"))?;
        let mut blocks = Vec::new();
        let mut inputs = width;
        for (stage, depth) in depths.into_iter().enumerate() {
            let scope = scope.enter(format_args!("layer{}", stage + 1));
            let mut of_stage = Vec::new();
            for index in 0..depth {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                let (width, zero_init) = (width << stage, shape.zero_init_residual);
                let shape = BlockShape { kind, inputs, width, stride, zero_init };
                of_stage.push(Block::new(shape, &scope.enter(index))?);
                inputs = width * kind.expansion();
            }
            blocks.push(of_stage);
        }
        let stages = [0, 1, 2, 3]
            .map(|stage| Stage { stride: 4 << stage, channels: (width << stage) * kind.expansion() });
        Ok(Self { stem, stem_norm, blocks, stages, device: scope.device().clone() })
    }
}

impl Backbone for Network {
    fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// The map after the stem's ReLU, at stride 2.
    fn stem(&self, images: &Tensor, mode: Mode) -> Result<Map> {
        ensure!(
            matches!(images.dims(), [_, _, _, 3]),
            "a backbone needs images [B, H, W, 3], got {:?}",
            images.dims()
        );
        self.stem_norm.relu(&self.stem.forward(&Map::of(images)?)?, mode)
    }

    fn stage(&self, index: usize, map: &Map, mode: Mode) -> Result<Map> {
        let mut x = if index == 0 { ops::max_pool(map, 3, 2, 1)? } else { map.clone() };
        for block in &self.blocks[index] {
            x = block.forward(&x, mode)?;
        }
        Ok(x)
    }

    fn device(&self) -> &Device {
        &self.device
    }
}
