//! Backbone `my-plugin`: a convolution in the stem and in each of four stages, a place to start from.

use anyhow::Result;
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use univip_core::networks::{BackboneContext, BackboneFacts};
use univip_core::nn::backbone::Stage;
use univip_core::nn::ops::Map;
use univip_core::nn::{Backbone, BatchNorm, Conv2d, Mode, Scope};
use univip_core::recipe::{Config, Invalid};
use univip_core::register_backbone;
use univip_core::registry::BackbonePlugin;

register_backbone!("my-plugin", MyPlugin, "describe it in one line");

/// The backbone.
pub struct MyPlugin {
    stem: Layer,
    layers: Vec<Layer>,
    stages: Vec<Stage>,
    device: Device,
}

/// A convolution of stride 2, batch norm and ReLU.
struct Layer {
    conv: Conv2d,
    norm: BatchNorm,
}

/// `[backbone.my-plugin]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The side of the convolutions' kernels.
    pub kernel: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { kernel: 3 }
    }
}

impl Config for Settings {
    fn check(&self) -> Result<(), Invalid> {
        if self.kernel % 2 == 1 && self.kernel < 12 {
            return Ok(());
        }
        let problem = format!("expected an odd number below 12, found {}; 3 is usual", self.kernel);
        Err(Invalid { key: "kernel", problem })
    }
}

impl BackbonePlugin for MyPlugin {
    type Config = Settings;

    // Multiply-adds of 3x3 kernels at width 64, from which the time of a run is estimated.
    const FACTS: BackboneFacts = BackboneFacts { multiply_adds: 0.4e9, residual_layers: None };

    fn build(config: Settings, context: BackboneContext) -> Result<Self> {
        let BackboneContext { parameters, width, .. } = context;
        let layer = |inputs, outputs, scope: Scope| -> Result<Layer> {
            let conv = Conv2d::new(inputs, outputs, config.kernel, 2, &scope.enter("conv"))?;
            Ok(Layer { conv, norm: BatchNorm::new(outputs, &scope.enter("norm"))? })
        };
        let stages: Vec<Stage> =
            (0..4).map(|stage| Stage { stride: 4 << stage, channels: width << stage }).collect();
        let stem = layer(3, width, parameters.enter("stem"))?;
        let (mut layers, mut inputs) = (Vec::new(), width);
        for (index, stage) in stages.iter().enumerate() {
            layers.push(layer(inputs, stage.channels, parameters.enter(format_args!("stage{}", index + 1)))?);
            inputs = stage.channels;
        }
        Ok(Self { stem, layers, stages, device: parameters.device().clone() })
    }
}

impl Layer {
    fn forward(&self, map: &Map, mode: Mode) -> Result<Map> {
        self.norm.relu(&self.conv.forward(map)?, mode)
    }
}

impl Backbone for MyPlugin {
    fn stages(&self) -> &[Stage] {
        &self.stages
    }

    fn stem(&self, images: &Tensor, mode: Mode) -> Result<Map> {
        self.stem.forward(&Map::of(images)?, mode)
    }

    fn stage(&self, index: usize, map: &Map, mode: Mode) -> Result<Map> {
        self.layers[index].forward(map, mode)
    }

    fn device(&self) -> &Device {
        &self.device
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::DType;
    use univip_core::nn::Parameters;

    #[test]
    fn maps_have_the_stated_strides_and_every_parameter_a_gradient() -> Result<()> {
        let parameters = Parameters::new(0, &Device::Cpu);
        let context =
            BackboneContext { parameters: parameters.trainable(), width: 4, zero_init_residual: false };
        let backbone = MyPlugin::build(Settings::default(), context)?;
        let images = Tensor::rand(-1f32, 1.0, (2, 64, 96, 3), &Device::Cpu)?.to_dtype(DType::F32)?;
        let maps = backbone.maps(&images, Mode::Eval)?;
        for (map, stage) in maps.iter().zip(backbone.stages()) {
            assert_eq!(map.dims(), [2, 64 / stage.stride, 96 / stage.stride, stage.channels]);
        }
        let features = backbone.forward(&images, Mode::Train { groups: 1 })?;
        assert_eq!(features.dims(), [2, backbone.feature_size()]);
        let gradients = features.sqr()?.sum_all()?.backward()?;
        assert!(parameters.parameters().values().all(|var| gradients.get(var).is_some()));
        Ok(())
    }
}
