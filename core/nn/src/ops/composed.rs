//! The same operations composed of candle's own, for devices without kernels here.

use super::{BatchStatistics, Map, synchronised};
use crate::Synchroniser;
use candle_core::{D, Device, Result, Tensor};

/// [`super::conv2d`].
pub fn conv2d(images: &Map, weight: &Tensor, stride: usize, padding: usize) -> Result<Map> {
    let mut images = images.tensor()?.permute((0, 3, 1, 2))?;
    let weight = weight.permute((0, 3, 1, 2))?.contiguous()?;
    let (_, _, height, width) = images.dims4()?;
    let (_, _, rows, columns) = weight.dims4()?;
    // The part of a stride that is left behind the last window. candle's gradient has no right size for the width where the
    // height leaves another part of it; columns of zeros, whose windows are dropped below, make them the same.
    let left = |size: usize, kernel: usize| (size + 2 * padding).saturating_sub(kernel) % stride.max(1);
    let (below, beside) = (left(height, rows), left(width, columns));
    if below != beside {
        images = images.pad_with_zeros(3, 0, (below + stride - beside) % stride)?;
    }
    let mut output = images.contiguous()?.conv2d(&weight, padding, stride, 1, 1)?;
    if below != beside {
        output = output.narrow(3, 0, (width + 2 * padding - columns) / stride + 1)?;
    }
    Ok(Map::composed(output.permute((0, 2, 3, 1))?.contiguous()?))
}

/// [`super::linear`].
pub fn linear(rows: &Map, weight: &Tensor) -> Result<Map> {
    Ok(Map::composed(rows.tensor()?.matmul(&weight.t()?)?))
}

/// [`super::batch_norm`].
pub fn batch_norm(
    x: &Map,
    weight: &Tensor,
    bias: &Tensor,
    residual: Option<&Map>,
    relu: bool,
    groups: usize,
    epsilon: f64,
) -> Result<(Map, BatchStatistics)> {
    let x = x.tensor()?;
    let grouped = x.reshape((groups, (), x.dim(D::Minus1)?))?;
    let mean = grouped.mean_keepdim(1)?;
    let centred = grouped.broadcast_sub(&mean)?;
    let variance = centred.sqr()?.mean_keepdim(1)?;
    let normal = centred.broadcast_div(&(&variance + epsilon)?.sqrt()?)?.reshape(x.shape())?;
    let y = scale_shift(&Map::composed(normal), weight, bias, residual, relu)?;
    let (mean, variance) = (mean.squeeze(1)?.detach(), variance.squeeze(1)?.detach());
    Ok((y, BatchStatistics { mean, variance, count: grouped.dim(1)? }))
}

/// [`super::synchronised_batch_norm`]. Only the moments leave the device.
pub fn synchronised_batch_norm(
    x: &Map,
    [weight, bias]: [&Tensor; 2],
    residual: Option<&Map>,
    relu: bool,
    groups: usize,
    epsilon: f64,
    synchroniser: &Synchroniser,
) -> Result<(Map, BatchStatistics)> {
    let x = x.tensor()?;
    let grouped = x.reshape((groups, (), x.dim(D::Minus1)?))?;
    let mean = grouped.mean_keepdim(1)?;
    let square = grouped.broadcast_sub(&mean)?.sqr()?.sum_keepdim(1)?;
    let own = Tensor::stack(&[mean.squeeze(1)?, square.squeeze(1)?], 0)?.to_device(&Device::Cpu)?;
    let (whole, count) = synchronised::moments(&own, grouped.dim(1)?, synchroniser)?;
    let whole = whole.to_device(x.device())?;
    let (mean, variance) = (whole.get(0)?, whole.get(1)?);
    let centred = grouped.broadcast_sub(&mean.unsqueeze(1)?)?;
    let deviation = (&variance + epsilon)?.sqrt()?.unsqueeze(1)?;
    let normal = centred.broadcast_div(&deviation)?.reshape(x.shape())?;
    let y = scale_shift(&Map::composed(normal), weight, bias, residual, relu)?;
    Ok((y, BatchStatistics { mean: mean.detach(), variance: variance.detach(), count }))
}

/// [`super::scale_shift`].
pub fn scale_shift(
    x: &Map,
    scale: &Tensor,
    shift: &Tensor,
    residual: Option<&Map>,
    relu: bool,
) -> Result<Map> {
    let mut y = x.tensor()?.broadcast_mul(scale)?.broadcast_add(shift)?;
    if let Some(residual) = residual {
        y = (y + residual.tensor()?)?;
    }
    Ok(Map::composed(if relu { self::relu(&y)? } else { y }))
}

/// With no gradient at 0, as the kernels and PyTorch have it; candle's own passes it on there. NaN stays.
fn relu(y: &Tensor) -> Result<Tensor> {
    let zeros = y.zeros_like()?;
    y.le(&zeros)?.where_cond(&zeros, y)
}

/// [`super::max_pool`]. Where several values of a window are equal, each gets a share of the gradient.
pub fn max_pool(x: &Map, kernel: usize, stride: usize, padding: usize) -> Result<Map> {
    let rows = max_along(&x.tensor()?.contiguous()?, 1, kernel, stride, padding)?;
    Ok(Map::composed(max_along(&rows, 2, kernel, stride, padding)?))
}

/// [`super::mean_pool`].
pub fn mean_pool(x: &Map) -> Result<Map> {
    Ok(Map::composed(x.tensor()?.mean((1, 2))?))
}

/// The maximum over windows along one axis: of as many shifted selections as the window has places. A place
/// beyond the border repeats the border, which changes no maximum while the window covers the border.
fn max_along(x: &Tensor, axis: usize, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    let size = x.dim(axis)?;
    let places = (size + 2 * padding - kernel) / stride + 1;
    let mut result: Option<Tensor> = None;
    for offset in 0..kernel {
        let inside = |place: usize| (place * stride + offset).saturating_sub(padding).min(size - 1) as u32;
        let indices: Vec<u32> = (0..places).map(inside).collect();
        let selection = x.index_select(&Tensor::new(indices, x.device())?, axis)?;
        result = Some(match result {
            Some(result) => result.maximum(&selection)?,
            None => selection,
        });
    }
    result.ok_or_else(|| candle_core::Error::msg("max pool needs a window"))
}
