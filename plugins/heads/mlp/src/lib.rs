//! Head mlp: a multilayer perceptron on pooled features, or on each position of a feature map.

use anyhow::{Result, ensure};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use univip_core::networks::{Head, HeadContext, HeadInput};
use univip_core::nn::{Mlp, MlpShape, Mode};
use univip_core::recipe::Invalid;
use univip_core::register_head;
use univip_core::registry::HeadPlugin;

register_head!("mlp", MlpHead, "linear layers with batch norm and ReLU, also on each position of a map");

/// Linear layers with batch norm and ReLU between them. On a map `[B, H, W, C]` they are 1x1 convolutions.
pub struct MlpHead(Mlp);

/// The keys of `[head.<name>]` for `plugin = "mlp"`. The defaults are BYOL's projector and predictor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Linear layers. All but the last are followed by ReLU.
    pub layers: usize,
    /// Channels between two layers; `network.hidden` where it is not set, and the channels of the input where it is 0.
    pub hidden: Option<usize>,
    /// Output channels; `network.output` where it is not set, and the channels of the input where it is 0.
    pub output: Option<usize>,
    /// Batch norm before each ReLU.
    pub norm: bool,
    /// A bias in the layers before a ReLU.
    pub hidden_bias: bool,
    /// A bias in the last layer.
    pub output_bias: bool,
    /// The batch norm behind the last layer.
    pub output_norm: OutputNorm,
}

/// The batch norm behind the last layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputNorm {
    /// None (BYOL, MoCo).
    None,
    /// With weight and bias.
    Affine,
    /// With a weight and no bias (SimCLR).
    Weight,
    /// With neither (SimSiam's projector).
    Plain,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            layers: 2,
            hidden: None,
            output: None,
            norm: true,
            hidden_bias: true,
            output_bias: false,
            output_norm: OutputNorm::None,
        }
    }
}

impl univip_core::recipe::Config for Config {
    fn check(&self) -> Result<(), Invalid> {
        if (1..=16).contains(&self.layers) {
            return Ok(());
        }
        let problem = format!("expected 1 to 16 layers, found {}; 2 is usual", self.layers);
        Err(Invalid { key: "layers", problem })
    }
}

impl HeadPlugin for MlpHead {
    type Config = Config;

    fn build(config: Config, context: HeadContext) -> Result<Self> {
        ensure!(
            context.inputs.len() == 1,
            "an mlp reads one place, and `from` names {}",
            context.inputs.len()
        );
        let input = context.inputs[0];
        let channels = |own: Option<usize>, network: usize| match own {
            None => network,
            Some(0) => input,
            Some(own) => own,
        };
        let shape = MlpShape {
            layers: config.layers,
            input,
            hidden: channels(config.hidden, context.hidden),
            output: channels(config.output, context.output),
            norm: config.norm,
            hidden_bias: config.hidden_bias,
            output_bias: config.output_bias,
            output_norm: match config.output_norm {
                OutputNorm::None => univip_core::nn::OutputNorm::None,
                OutputNorm::Affine => univip_core::nn::OutputNorm::Affine,
                OutputNorm::Weight => univip_core::nn::OutputNorm::Weight,
                OutputNorm::Plain => univip_core::nn::OutputNorm::Plain,
            },
        };
        Ok(Self(Mlp::new(shape, &context.parameters)?))
    }
}

impl Head for MlpHead {
    fn size(&self) -> usize {
        self.0.size()
    }

    fn forward(&self, input: &HeadInput<'_>, mode: Mode) -> Result<Tensor> {
        let input = input.one()?;
        let dims = input.dims();
        let Some((&channels, positions)) = dims.split_last() else {
            anyhow::bail!("a head needs [B, C] or [B, H, W, C], got a scalar");
        };
        if positions.len() == 1 {
            return self.0.forward(input, mode);
        }
        let rows: usize = positions.iter().product();
        let output = self.0.forward(&input.reshape((rows, channels))?, mode)?;
        Ok(output.reshape([positions, &[self.size()]].concat())?)
    }
}
