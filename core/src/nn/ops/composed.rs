//! The same operations composed of candle's own, for devices without kernels here.
//!
//! candle's strided convolution has a wrong gradient where height and width leave different remainders, so
//! train on square images there.

use super::BatchStatistics;
use candle_core::{D, Result, Tensor};

/// [`super::conv2d`].
pub fn conv2d(images: &Tensor, weight: &Tensor, stride: usize, padding: usize) -> Result<Tensor> {
    let images = images.permute((0, 3, 1, 2))?.contiguous()?;
    let weight = weight.permute((0, 3, 1, 2))?.contiguous()?;
    images.conv2d(&weight, padding, stride, 1, 1)?.permute((0, 2, 3, 1))?.contiguous()
}

/// [`super::batch_norm`].
pub fn batch_norm(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    residual: Option<&Tensor>,
    relu: bool,
    groups: usize,
    epsilon: f64,
) -> Result<(Tensor, BatchStatistics)> {
    let grouped = x.reshape((groups, (), x.dim(D::Minus1)?))?;
    let mean = grouped.mean_keepdim(1)?;
    let centred = grouped.broadcast_sub(&mean)?;
    let variance = centred.sqr()?.mean_keepdim(1)?;
    let normal = centred.broadcast_div(&(&variance + epsilon)?.sqrt()?)?.reshape(x.shape())?;
    let y = scale_shift(&normal, weight, bias, residual, relu)?;
    Ok((y, BatchStatistics { mean: mean.squeeze(1)?.detach(), variance: variance.squeeze(1)?.detach() }))
}

/// [`super::scale_shift`].
pub fn scale_shift(
    x: &Tensor,
    scale: &Tensor,
    shift: &Tensor,
    residual: Option<&Tensor>,
    relu: bool,
) -> Result<Tensor> {
    let mut y = x.broadcast_mul(scale)?.broadcast_add(shift)?;
    if let Some(residual) = residual {
        y = (y + residual)?;
    }
    if relu { y.relu() } else { Ok(y) }
}

/// [`super::max_pool`]. Where several values of a window are equal, each gets a share of the gradient.
pub fn max_pool(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    let rows = max_along(&x.contiguous()?, 1, kernel, stride, padding)?;
    max_along(&rows, 2, kernel, stride, padding)
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
