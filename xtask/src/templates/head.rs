//! Head `my-plugin`: one linear layer on the pooled features, a place to start from.

use anyhow::{Result, ensure};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use univip_core::networks::{Head, HeadContext, HeadInput};
use univip_core::nn::{Mlp, MlpShape, Mode, OutputNorm};
use univip_core::recipe::Config;
use univip_core::register_head;
use univip_core::registry::HeadPlugin;

register_head!("my-plugin", MyPlugin, "describe it in one line");

/// The head.
pub struct MyPlugin {
    layers: Mlp,
}

/// The plugin's own keys of `[head.<name>]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// True if the layer has a bias.
    pub bias: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { bias: true }
    }
}

impl Config for Settings {}

impl HeadPlugin for MyPlugin {
    type Config = Settings;

    fn build(config: Settings, context: HeadContext) -> Result<Self> {
        ensure!(context.inputs.len() == 1, "the head reads one place, and `from` names {}", context.inputs.len());
        let shape = MlpShape {
            layers: 1,
            input: context.inputs[0],
            hidden: 0,
            output: context.output,
            norm: false,
            hidden_bias: false,
            output_bias: config.bias,
            output_norm: OutputNorm::None,
        };
        Ok(Self { layers: Mlp::new(shape, &context.parameters)? })
    }
}

impl Head for MyPlugin {
    fn size(&self) -> usize {
        self.layers.size()
    }

    fn forward(&self, input: &HeadInput<'_>, mode: Mode) -> Result<Tensor> {
        self.layers.forward(input.one()?, mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use univip_core::nn::Parameters;

    #[test]
    fn features_of_the_backbone_become_outputs() -> Result<()> {
        let parameters = Parameters::new(0, &Device::Cpu).trainable();
        let context = HeadContext { parameters, inputs: vec![6], hidden: 8, output: 4 };
        let head = MyPlugin::build(Settings::default(), context)?;
        let features = Tensor::ones((3, 6), candle_core::DType::F32, &Device::Cpu)?;
        let output = head.forward(&HeadInput { from: &[features] }, Mode::Eval)?;
        assert_eq!((output.dims(), head.size()), (&[3, 4][..], 4));
        Ok(())
    }
}
