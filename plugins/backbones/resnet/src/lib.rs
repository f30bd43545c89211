//! Backbones resnet18, resnet34, resnet50 and resnet101 (He et al. 2016), with torchvision's names, so that its files fit.

mod block;
mod network;

pub use network::{Network, Shape};

use anyhow::Result;
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use univip_core::networks::{BackboneContext, BackboneFacts};
use univip_core::nn::backbone::Stage;
use univip_core::nn::ops::Map;
use univip_core::nn::{Backbone, BackbonePlan, Mode, Scope};
use univip_core::recipe::Config;
use univip_core::register_backbone;
use univip_core::registry::BackbonePlugin;

register_backbone!("resnet18", ResNet<18>, "ResNet-18: basic blocks, 2-2-2-2");
register_backbone!("resnet34", ResNet<34>, "ResNet-34: basic blocks, 3-4-6-3");
register_backbone!("resnet50", ResNet<50>, "ResNet-50: bottleneck blocks, 3-4-6-3");
register_backbone!("resnet101", ResNet<101>, "ResNet-101: bottleneck blocks, 3-4-23-3");

/// A residual network of so many layers.
pub struct ResNet<const LAYERS: usize>(Network);

/// `[backbone.resnet18]`, `[backbone.resnet34]`, `[backbone.resnet50]` and `[backbone.resnet101]`: what a recipe says of a residual
/// network stands in `[network]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {}

impl Config for Settings {}

impl<const LAYERS: usize> BackbonePlugin for ResNet<LAYERS> {
    type Config = Settings;

    const FACTS: BackboneFacts = BackboneFacts {
        // Of the networks in torchvision's documentation (its GFLOPS count a multiply-add once).
        multiply_adds: match LAYERS {
            18 => 1.81e9,
            34 => 3.66e9,
            50 => 4.09e9,
            _ => 7.80e9,
        },
        residual_layers: Some(LAYERS),
    };

    fn build(_: Settings, context: BackboneContext) -> Result<Self> {
        let BackboneContext { parameters, width, zero_init_residual } = context;
        let shape = Shape { layers: LAYERS, width, zero_init_residual };
        Ok(Self(Network::new(shape, &parameters)?))
    }
}

impl<const LAYERS: usize> Backbone for ResNet<LAYERS> {
    fn stages(&self) -> &[Stage] {
        self.0.stages()
    }

    fn stem(&self, images: &Tensor, mode: Mode) -> Result<Map> {
        self.0.stem(images, mode)
    }

    fn stage(&self, index: usize, map: &Map, mode: Mode) -> Result<Map> {
        self.0.stage(index, map, mode)
    }

    fn device(&self) -> &Device {
        self.0.device()
    }
}

/// A residual network of 18, 34, 50 or 101 layers, for those who have no recipe.
pub fn plan(layers: usize, width: usize) -> BackbonePlan {
    let shape = Shape { layers, width, zero_init_residual: false };
    BackbonePlan::new(format!("resnet{layers}"), width, move |scope: &Scope| {
        Ok(Box::new(Network::new(shape, scope)?) as Box<dyn Backbone>)
    })
}
