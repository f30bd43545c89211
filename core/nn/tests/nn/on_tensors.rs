//! The operations from tensors to tensors.

use candle_core::{Result, Tensor};
use univip_nn::Synchroniser;
use univip_nn::ops::{self, BatchStatistics, Fused, Map, Normalisation, composed};

pub fn conv2d(x: &Tensor, weight: &Tensor, stride: usize, padding: usize) -> Result<Tensor> {
    ops::conv2d(&Map::of(x)?, weight, stride, padding)?.tensor()
}

pub fn composed_conv2d(x: &Tensor, weight: &Tensor, stride: usize, padding: usize) -> Result<Tensor> {
    composed::conv2d(&Map::of(x)?, weight, stride, padding)?.tensor()
}

pub fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    ops::linear(&Map::of(x)?, weight)?.tensor()
}

pub fn composed_linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    composed::linear(&Map::of(x)?, weight)?.tensor()
}

pub fn batch_norm(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    residual: Option<&Tensor>,
    relu: bool,
    groups: usize,
    epsilon: f64,
) -> Result<(Tensor, BatchStatistics)> {
    let residual = residual.map(Map::of).transpose()?;
    let fused = Fused { residual: residual.as_ref(), relu };
    let settings = Normalisation { groups, epsilon };
    let (y, statistics) = ops::batch_norm(&Map::of(x)?, [weight, bias], fused, settings)?;
    Ok((y.tensor()?, statistics))
}

pub fn composed_batch_norm(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    residual: Option<&Tensor>,
    relu: bool,
    groups: usize,
    epsilon: f64,
) -> Result<(Tensor, BatchStatistics)> {
    let residual = residual.map(Map::of).transpose()?;
    let (y, statistics) =
        composed::batch_norm(&Map::of(x)?, weight, bias, residual.as_ref(), relu, groups, epsilon)?;
    Ok((y.tensor()?, statistics))
}

pub fn composed_synchronised_batch_norm(
    x: &Tensor,
    parameters: [&Tensor; 2],
    residual: Option<&Tensor>,
    relu: bool,
    groups: usize,
    epsilon: f64,
    synchroniser: &Synchroniser,
) -> Result<(Tensor, BatchStatistics)> {
    let residual = residual.map(Map::of).transpose()?;
    let (y, statistics) = composed::synchronised_batch_norm(
        &Map::of(x)?,
        parameters,
        residual.as_ref(),
        relu,
        groups,
        epsilon,
        synchroniser,
    )?;
    Ok((y.tensor()?, statistics))
}

pub fn scale_shift(
    x: &Tensor,
    scale: &Tensor,
    shift: &Tensor,
    residual: Option<&Tensor>,
    relu: bool,
) -> Result<Tensor> {
    let residual = residual.map(Map::of).transpose()?;
    ops::scale_shift(&Map::of(x)?, [scale, shift], Fused { residual: residual.as_ref(), relu })?.tensor()
}

pub fn composed_scale_shift(
    x: &Tensor,
    scale: &Tensor,
    shift: &Tensor,
    residual: Option<&Tensor>,
    relu: bool,
) -> Result<Tensor> {
    let residual = residual.map(Map::of).transpose()?;
    composed::scale_shift(&Map::of(x)?, scale, shift, residual.as_ref(), relu)?.tensor()
}

pub fn max_pool(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    ops::max_pool(&Map::of(x)?, kernel, stride, padding)?.tensor()
}

pub fn composed_max_pool(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    composed::max_pool(&Map::of(x)?, kernel, stride, padding)?.tensor()
}

pub fn mean_pool(x: &Tensor) -> Result<Tensor> {
    ops::mean_pool(&Map::of(x)?)?.tensor()
}
