//! Residual blocks: convolutions beside a shortcut.

use anyhow::Result;
use univip_core::nn::ops::Map;
use univip_core::nn::{BatchNorm, Conv2d, Mode, Scope};

/// The two kinds of residual blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1, 3x3 and 1x1, with four times the channels at the end.
    Bottleneck,
}

impl Kind {
    /// Outputs of a block, by its inner channels.
    pub(crate) fn expansion(self) -> usize {
        match self {
            Kind::Basic => 1,
            Kind::Bottleneck => 4,
        }
    }
}

/// The parts of a block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockShape {
    pub kind: Kind,
    /// Channels of its input.
    pub inputs: usize,
    /// Its inner channels.
    pub width: usize,
    pub stride: usize,
    /// The last batch norm starts at 0.
    pub zero_init: bool,
}

/// A residual block: convolutions with batch norm, ReLU after each, the last after the sum with the input.
pub(crate) struct Block {
    layers: Vec<(Conv2d, BatchNorm)>,
    shortcut: Option<(Conv2d, BatchNorm)>,
}

impl Block {
    pub(crate) fn new(shape: BlockShape, scope: &Scope) -> Result<Self> {
        let BlockShape { kind, inputs, width, stride, zero_init } = shape;
        // Outputs, kernel and stride of each convolution. The bottleneck strides in its 3x3 convolution
        // ("v1.5", as torchvision).
        let plan = match kind {
            Kind::Basic => vec![(width, 3, stride), (width, 3, 1)],
            Kind::Bottleneck => vec![(width, 1, 1), (width, 3, stride), (4 * width, 1, 1)],
        };
        let mut layers = Vec::new();
        let mut channels = inputs;
        for (index, &(outputs, kernel, stride)) in plan.iter().enumerate() {
            let name = index + 1;
            let is_last = name == plan.len();
            let weight = if is_last && zero_init { 0.0 } else { 1.0 };
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

    pub(crate) fn forward(&self, x: &Map, mode: Mode) -> Result<Map> {
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
