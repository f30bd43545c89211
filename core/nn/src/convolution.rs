//! Layers of the detectors' necks and heads.

use crate::ops::{self, Fused, Map};
use crate::{BatchNorm, Init, Mode, Scope};
use anyhow::{Result, bail};
use candle_core::Tensor;

/// The shape of a square convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvolutionShape {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Height and width of the kernel, odd.
    pub kernel: usize,
}

impl ConvolutionShape {
    /// The weight, `[O, kh, kw, I]`, as the parameter `weight` of `scope`.
    fn weight(self, init: Init, scope: &Scope) -> Result<Tensor> {
        scope.weight("weight", (self.outputs, self.kernel, self.kernel, self.inputs), init)
    }
}

/// A convolution that keeps the size at stride 1, with a bias.
pub struct Convolution {
    weight: Tensor,
    bias: Tensor,
    stride: usize,
}

impl Convolution {
    /// The weight starts as `init` says, the bias at 0.
    pub fn new(shape: ConvolutionShape, init: Init, scope: &Scope) -> Result<Self> {
        Self::with_bias(shape, init, 0.0, scope)
    }

    /// The weight starts as `init` says, each value of the bias at `bias`.
    pub fn with_bias(shape: ConvolutionShape, init: Init, bias: f32, scope: &Scope) -> Result<Self> {
        let weight = shape.weight(init, scope)?;
        Ok(Self { weight, bias: scope.bias("bias", shape.outputs, Init::Constant(bias))?, stride: 1 })
    }

    /// It takes every `stride`-th position.
    #[must_use]
    pub fn strided(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// `[B, H, W, I]` to `[B, H / stride, W / stride, O]`, sizes rounded up.
    pub fn forward(&self, x: &Map) -> Result<Map> {
        self.activated(x, false)
    }

    /// With ReLU.
    pub fn relu(&self, x: &Map) -> Result<Map> {
        self.activated(x, true)
    }

    fn activated(&self, x: &Map, relu: bool) -> Result<Map> {
        let y = ops::conv2d(x, &self.weight, self.stride, self.weight.dim(1)? / 2)?;
        shift(&y, &self.bias, relu)
    }
}

/// A convolution with a bias, or with batch norm in its place; torchvision's `Conv2dNormActivation`, whose parts are
/// named `0` and `1`.
pub enum Block {
    /// With a bias.
    Biased(Convolution),
    /// With batch norm.
    Normed(Tensor, BatchNorm),
}

impl Block {
    /// The weight starts as `init` says; `norm` puts batch norm in the place of the bias.
    pub fn new(shape: ConvolutionShape, init: Init, norm: bool, scope: &Scope) -> Result<Self> {
        if !norm {
            return Ok(Self::Biased(Convolution::new(shape, init, &scope.enter(0))?));
        }
        let weight = shape.weight(init, &scope.enter(0))?;
        Ok(Self::Normed(weight, BatchNorm::new(shape.outputs, &scope.enter(1))?))
    }

    /// Without an activation.
    pub fn forward(&self, x: &Map, mode: Mode) -> Result<Map> {
        match self {
            Self::Biased(convolution) => convolution.forward(x),
            Self::Normed(weight, norm) => norm.forward(&convolve(x, weight)?, mode),
        }
    }

    /// With ReLU.
    pub fn relu(&self, x: &Map, mode: Mode) -> Result<Map> {
        match self {
            Self::Biased(convolution) => convolution.relu(x),
            Self::Normed(weight, norm) => norm.relu(&convolve(x, weight)?, mode),
        }
    }
}

/// A bias a channel, and ReLU, in one pass. Unlike candle's ReLU this one has no gradient at 0, as in PyTorch.
fn shift(x: &Map, bias: &Tensor, relu: bool) -> Result<Map> {
    Ok(ops::scale_shift(x, [&bias.ones_like()?.detach(), bias], Fused { residual: None, relu })?)
}

fn convolve(x: &Map, weight: &Tensor) -> Result<Map> {
    Ok(ops::conv2d(x, weight, 1, weight.dim(1)? / 2)?)
}

/// Twice as many rows and columns: a transposed convolution of kernel and stride 2, whose outputs do not overlap.
pub struct Doubling {
    /// `[2, 2, O, I]`.
    weight: Tensor,
    bias: Tensor,
}

impl Doubling {
    /// From `inputs` to `outputs` channels. Initial values are He's in the mode "fan out", by which PyTorch means
    /// the inputs of a transposed convolution.
    pub fn new(inputs: usize, outputs: usize, scope: &Scope) -> Result<Self> {
        let init = Init::Normal { std: (2.0 / (4 * inputs) as f32).sqrt() };
        Ok(Self {
            weight: scope.weight("weight", (2, 2, outputs, inputs), init)?,
            bias: scope.bias("bias", outputs, Init::Constant(0.0))?,
        })
    }

    /// `[B, H, W, I]` to `[B, H * W, 4, O]`, with ReLU: for each position the 2 x 2 that take its place, row by row.
    /// They are left together, as nothing that follows looks beyond one position: see [`Doubling::place`].
    pub fn relu(&self, x: &Map) -> Result<Map> {
        let (&[batch, height, width, _], (_, _, outputs, inputs)) = (x.dims(), self.weight.dims4()?) else {
            bail!("doubling needs [B, H, W, C], got {:?}", x.dims());
        };
        let weight = self.weight.reshape((4 * outputs, 1, 1, inputs))?;
        let blocks = shift(&ops::conv2d(x, &weight, 1, 0)?, &self.bias.repeat(4)?, true)?;
        Ok(Map::of(&blocks.tensor()?.reshape((batch, height * width, 4, outputs))?)?)
    }

    /// The place of row `row` and column `column` in the output of `relu`, for an input `width` positions wide: its index
    /// among the `4 * H * W` of an image.
    pub fn place(row: usize, column: usize, width: usize) -> usize {
        (row / 2 * width + column / 2) * 4 + row % 2 * 2 + column % 2
    }
}

/// He's (2015) normal initialisation for ReLU in the mode "fan out".
pub fn he(outputs: usize, kernel: usize) -> Init {
    Init::Normal { std: (2.0 / (outputs * kernel * kernel) as f32).sqrt() }
}

/// PyTorch's `kaiming_uniform_` with a = 1, which Caffe called Xavier's.
pub fn uniform(inputs: usize, kernel: usize) -> Init {
    Init::Uniform { bound: (3.0 / (inputs * kernel * kernel) as f32).sqrt() }
}

/// Each position repeated so that the map has `[height, width]`: nearest-neighbour upsampling.
///
/// A selection of rows and then of columns, whose gradient adds up what was repeated; that of candle's own
/// upsampling keeps the last one.
pub fn upsample(map: &Tensor, [height, width]: [usize; 2]) -> Result<Tensor> {
    let (_, rows, columns, _) = map.dims4()?;
    let select = |map: &Tensor, axis: usize, from: usize, to: usize| -> Result<Tensor> {
        if from == to {
            return Ok(map.clone());
        }
        let places: Vec<u32> = (0..to).map(|place| (place * from / to) as u32).collect();
        Ok(map.index_select(&Tensor::new(places, map.device())?, axis)?)
    };
    select(&select(map, 1, rows, height)?, 2, columns, width)
}
