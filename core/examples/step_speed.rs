//! The time of a training step (forward, backward, SGD) on this machine; `step_speed.py` times PyTorch's.
//!
//! `cargo run --release -p univip-core --example step_speed [repeats]`

use candle_core::{Device, Result as CandleResult, Tensor, Var};
use std::time::Instant;
use univip_core::nn::{Backbone, Mode, Parameters, ops};
use univip_core::recipe::{BackboneKind, NetworkSettings};

fn main() -> anyhow::Result<()> {
    let repeats = std::env::args().nth(1).map_or(Ok(20), |argument| argument.parse())?;
    for (width, batch, side) in [(32, 32, 64), (64, 16, 96), (16, 64, 64), (16, 64, 32)] {
        let seconds = step_seconds(width, batch, side, repeats)?;
        println!("resnet18 width {width} batch {batch} side {side}: {:.1} ms", seconds * 1e3);
    }
    Ok(())
}

/// The fastest of some steps, after two to warm up.
fn step_seconds(width: usize, batch: usize, side: usize, repeats: usize) -> anyhow::Result<f64> {
    let settings = NetworkSettings { backbone: BackboneKind::ResNet18, width, ..NetworkSettings::default() };
    let parameters = Parameters::new(0, &Device::Cpu);
    let network = Backbone::new(&settings, &parameters.trainable())?;
    let images = Tensor::randn(0f32, 1.0, (batch, side, side, 3), &Device::Cpu)?;
    let variables: Vec<Var> = parameters.parameters().into_values().collect();
    let buffer = |var: &Var| Var::from_tensor(&var.zeros_like()?);
    let buffers = variables.iter().map(buffer).collect::<CandleResult<Vec<_>>>()?;
    let mut fastest = f64::INFINITY;
    for step in 0..repeats + 2 {
        let start = Instant::now();
        let loss = network.forward(&images, Mode::Train { groups: 1 })?.sqr()?.mean_all()?;
        let gradients = loss.backward()?;
        for (variable, buffer) in variables.iter().zip(&buffers) {
            if let Some(gradient) = gradients.get(variable) {
                ops::sgd_step(variable, gradient, buffer, 1e-3, 0.9, 1e-4)?;
            }
        }
        if step >= 2 {
            fastest = fastest.min(start.elapsed().as_secs_f64());
        }
    }
    Ok(fastest)
}
