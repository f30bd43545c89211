//! The multilayer perceptron behind a backbone.

use super::ops::Map;
use super::{BatchNorm, Linear, Mode, Scope};
use anyhow::{Result, ensure};
use candle_core::Tensor;

/// The layers of an [`Mlp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MlpShape {
    /// Linear layers, at least 1. All but the last are followed by ReLU.
    pub layers: usize,
    /// Input channels.
    pub input: usize,
    /// Channels between two layers.
    pub hidden: usize,
    /// Output channels.
    pub output: usize,
    /// Batch norm before each ReLU.
    pub norm: bool,
    /// A bias in the layers before a ReLU.
    pub hidden_bias: bool,
    /// A bias in the last layer.
    pub output_bias: bool,
    /// The batch norm behind the last layer.
    pub output_norm: OutputNorm,
}

/// The batch norm behind the last layer of an [`Mlp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputNorm {
    /// None.
    None,
    /// With weight and bias.
    Affine,
    /// With a weight alone (SimCLR).
    Weight,
    /// With neither (SimSiam).
    Plain,
}

impl MlpShape {
    /// BYOL's projector and predictor: linear, batch norm, ReLU, linear without bias (Grill et al. 2020).
    pub fn byol(input: usize, hidden: usize, output: usize) -> Self {
        Self {
            layers: 2,
            input,
            hidden,
            output,
            norm: true,
            hidden_bias: true,
            output_bias: false,
            output_norm: OutputNorm::None,
        }
    }
}

/// Linear layers with batch norm and ReLU between them.
///
/// Parameters are named as PyTorch's `nn.Sequential` names them; with two layers and batch norm `0`, `1` and `3`.
pub struct Mlp {
    layers: Vec<(Linear, Option<BatchNorm>)>,
    output: usize,
}

impl Mlp {
    /// Makes the layers in `scope`.
    ///
    /// # Errors
    /// When there are no layers, or no memory for them.
    pub fn new(shape: MlpShape, scope: &Scope) -> Result<Self> {
        let MlpShape { layers, input, hidden, output, norm, hidden_bias, output_bias, output_norm } = shape;
        ensure!(layers > 0, "a perceptron of no layers: expected at least 1");
        let linear = |bias: bool, inputs: usize, outputs: usize, place: usize| match bias {
            true => Linear::new(inputs, outputs, &scope.enter(place)),
            false => Linear::without_bias(inputs, outputs, &scope.enter(place)),
        };
        let (mut made, mut inputs, mut place) = (Vec::new(), input, 0);
        for _ in 1..layers {
            let layer = linear(hidden_bias, inputs, hidden, place)?;
            let norm = norm.then(|| BatchNorm::new(hidden, &scope.enter(place + 1))).transpose()?;
            // Linear, ReLU, and batch norm between them.
            place += 2 + usize::from(norm.is_some());
            made.push((layer, norm));
            inputs = hidden;
        }
        let last = linear(output_bias, inputs, output, place)?;
        let scope = scope.enter(place + 1);
        let norm = match output_norm {
            OutputNorm::None => None,
            OutputNorm::Affine => Some(BatchNorm::new(output, &scope)?),
            OutputNorm::Weight => Some(BatchNorm::without_bias(output, &scope)?),
            OutputNorm::Plain => Some(BatchNorm::plain(output, &scope)?),
        };
        made.push((last, norm));
        Ok(Self { layers: made, output })
    }

    /// Output channels.
    pub fn size(&self) -> usize {
        self.output
    }

    /// `[B, input]` to `[B, output]`. Batch norm's groups are parts of the batch.
    ///
    /// # Errors
    /// When the input has another shape, or batch norm too few rows.
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let mut x = Map::of(x)?;
        for (index, (linear, norm)) in self.layers.iter().enumerate() {
            x = linear.forward(&x)?;
            let last = index + 1 == self.layers.len();
            x = match (norm, last) {
                (Some(norm), false) => norm.relu(&x, mode)?,
                (None, false) => Map::of(&x.tensor()?.relu()?)?,
                (Some(norm), true) => norm.forward(&x, mode)?,
                (None, true) => x,
            };
        }
        Ok(x.tensor()?)
    }
}
