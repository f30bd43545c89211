//! A backbone for tests of the engine, which names none.

use anyhow::Result;
use candle_core::{Device, Tensor};
use univip_core::nn::backbone::Stage;
use univip_core::nn::ops::Map;
use univip_core::nn::{Backbone, BackbonePlan, BatchNorm, Conv2d, Mode, Scope};

/// A convolution of stride 2 with batch norm and ReLU in the stem and in each stage.
struct Small {
    layers: Vec<(Conv2d, BatchNorm)>,
    stages: Vec<Stage>,
    device: Device,
}

impl Small {
    fn new(width: usize, stages: usize, scope: &Scope) -> Result<Self> {
        let stage = |stage: usize| Stage { stride: 4 << stage, channels: width << stage };
        let stages: Vec<Stage> = (0..stages).map(stage).collect();
        let (mut layers, mut inputs) = (Vec::new(), 3);
        for outputs in std::iter::once(width).chain(stages.iter().map(|stage| stage.channels)) {
            let scope = scope.enter(layers.len());
            let conv = Conv2d::new(inputs, outputs, 3, 2, &scope.enter("conv"))?;
            layers.push((conv, BatchNorm::new(outputs, &scope.enter("norm"))?));
            inputs = outputs;
        }
        Ok(Self { layers, stages, device: scope.device().clone() })
    }

    fn layer(&self, index: usize, map: &Map, mode: Mode) -> Result<Map> {
        let (conv, norm) = &self.layers[index];
        norm.relu(&conv.forward(map)?, mode)
    }
}

impl Backbone for Small {
    fn stages(&self) -> &[Stage] {
        &self.stages
    }

    fn stem(&self, images: &Tensor, mode: Mode) -> Result<Map> {
        self.layer(0, &Map::of(images)?, mode)
    }

    fn stage(&self, index: usize, map: &Map, mode: Mode) -> Result<Map> {
        self.layer(index + 1, map, mode)
    }

    fn device(&self) -> &Device {
        &self.device
    }
}

/// A small backbone of four stages whose first has `width` channels.
pub fn small(width: usize) -> BackbonePlan {
    of_stages(width, 4)
}

/// One of `stages` stages.
pub fn of_stages(width: usize, stages: usize) -> BackbonePlan {
    BackbonePlan::new("small", width, move |scope| Ok(Box::new(Small::new(width, stages, scope)?)))
}
