//! The same operations composed of candle's own, for devices without kernels here.
//!
//! Convolution and batch norm have gradients of their own: candle's for a convolution's input runs a kernel without a matrix
//! product, and those of a batch norm's dozen operations keep a dozen maps.

use super::computed::with_gradient;
use super::{BatchStatistics, Map, synchronised};
use crate::Synchroniser;
use candle_core::{D, Device, Result, Tensor, bail};

/// [`super::conv2d`].
pub fn conv2d(images: &Map, weight: &Tensor, stride: usize, padding: usize) -> Result<Map> {
    let images = images.tensor()?;
    let (filters, rows, columns, channels) = weight.dims4()?;
    if [rows, columns, padding] == [1, 1, 0] {
        let images = every(&images, stride)?;
        let (batch, height, width, _) = images.dims4()?;
        let products = images.reshape(((), channels))?.matmul(&weight.reshape((filters, channels))?.t()?)?;
        return Ok(Map::composed(products.reshape((batch, height, width, filters))?));
    }
    let planes = images.detach().permute((0, 3, 1, 2))?;
    let kernel = weight.detach().permute((0, 3, 1, 2))?.contiguous()?;
    let output = planes.contiguous()?.conv2d(&kernel, padding, stride, 1, 1)?;
    let output = output.permute((0, 2, 3, 1))?.contiguous()?;
    let tracked = [images.track_op(), weight.track_op()];
    let backward = move |[images, weight, _]: [&Tensor; 3], _: &Tensor, gradient: &Tensor| {
        let for_images = || images_gradient(images.dims(), weight, gradient, stride, padding);
        let for_weight = || weight_gradient(images, weight.dims(), gradient, stride, padding);
        Ok([tracked[0].then(for_images).transpose()?, tracked[1].then(for_weight).transpose()?, None])
    };
    Ok(Map::composed(with_gradient(output, [&images, weight, weight], backward)?))
}

/// Every `stride`-th row and column of `[B, H, W, C]`, from the first.
fn every(images: &Tensor, stride: usize) -> Result<Tensor> {
    if stride == 1 {
        return Ok(images.clone());
    }
    let (batch, height, width, channels) = images.dims4()?;
    let [rows, columns] = [height, width].map(|size| size.div_ceil(stride));
    let whole = images.pad_with_zeros(1, 0, rows * stride - height)?;
    let whole = whole.pad_with_zeros(2, 0, columns * stride - width)?;
    let cells = whole.reshape((batch, rows, stride, columns, stride * channels))?;
    let chosen = cells.narrow(2, 0, 1)?.narrow(4, 0, channels)?.contiguous()?;
    chosen.reshape((batch, rows, columns, channels))
}

/// The gradient of a convolution's images: its own gradient with zeros between, convolved with the kernel turned round.
fn images_gradient(
    images: &[usize],
    weight: &Tensor,
    gradient: &Tensor,
    stride: usize,
    padding: usize,
) -> Result<Tensor> {
    let (_, rows, columns, _) = weight.dims4()?;
    let border = rows.min(columns).checked_sub(1 + padding);
    let Some(border) = border else {
        bail!("no gradient where the padding {padding} is as large as the kernel")
    };
    let mut planes = gradient.permute((0, 3, 1, 2))?.contiguous()?;
    for (axis, kernel) in [(2, rows), (3, columns)] {
        planes = spread(&planes, axis, stride, images[axis - 1] + 2 * padding + 1 - kernel)?;
        let more = kernel - 1 - padding - border;
        planes = planes.pad_with_zeros(axis, more, more)?;
    }
    let turned = weight.flip(&[1, 2])?.permute((3, 0, 1, 2))?.contiguous()?;
    planes.conv2d(&turned, border, 1, 1, 1)?.permute((0, 2, 3, 1))?.contiguous()
}

/// `stride - 1` zeros behind each place along an axis of `[B, C, H, W]`, of which the first `size` stay.
fn spread(planes: &Tensor, axis: usize, stride: usize, size: usize) -> Result<Tensor> {
    if stride == 1 {
        return Ok(planes.clone());
    }
    let mut dims = planes.dims().to_vec();
    let apart = planes.unsqueeze(axis + 1)?.pad_with_zeros(axis + 1, 0, stride - 1)?;
    dims[axis] *= stride;
    apart.reshape(dims)?.narrow(axis, 0, size)?.contiguous()
}

/// The gradient of a convolution's weight: the images convolved with its gradient, channels and filters in the place of the batch.
fn weight_gradient(
    images: &Tensor,
    weight: &[usize],
    gradient: &Tensor,
    stride: usize,
    padding: usize,
) -> Result<Tensor> {
    let planes = |maps: &Tensor| maps.permute((3, 0, 1, 2))?.contiguous();
    let sums = planes(images)?.conv2d(&planes(gradient)?, padding, 1, stride, 1)?;
    // A stride that leaves rows behind the last window leaves more places than the kernel's.
    let sums = sums.narrow(2, 0, weight[1])?.narrow(3, 0, weight[2])?;
    sums.permute((1, 2, 3, 0))?.contiguous()
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
    let (x, residual) = (x.tensor()?, residual.map(Map::tensor).transpose()?);
    let grouped = x.detach().reshape((groups, (), x.dim(D::Minus1)?))?;
    let count = grouped.dim(1)?;
    let mean = grouped.mean_keepdim(1)?;
    let centred = grouped.broadcast_sub(&mean)?;
    let variance = centred.sqr()?.mean_keepdim(1)?;
    let inverse = (&variance + epsilon)?.sqrt()?.recip()?;
    let statistics = BatchStatistics { mean: mean.squeeze(1)?, variance: variance.squeeze(1)?, count };
    let scale = inverse.broadcast_mul(&weight.detach())?;
    let mut y = centred.broadcast_mul(&scale)?.broadcast_add(&bias.detach())?.reshape(x.shape())?;
    if let Some(residual) = &residual {
        y = (y + residual.detach())?;
    }
    let y = if relu { self::relu(&y)? } else { y };
    // An operation has three arguments, so weight and bias travel as one.
    let parameters = Tensor::stack(&[weight, bias], 0)?;
    let arguments = [&x, &parameters, residual.as_ref().unwrap_or(&parameters)];
    let tracked = [x.track_op(), parameters.track_op(), residual.as_ref().is_some_and(Tensor::track_op)];
    let moments = Moments { mean, inverse };
    let backward = move |[x, parameters, _]: [&Tensor; 3], y: &Tensor, gradient: &Tensor| {
        let gradient = if relu { rectified(y, gradient)? } else { gradient.clone() };
        let [for_x, for_parameters] = moments.gradients(x, &parameters.get(0)?, &gradient)?;
        let gradients = [for_x, for_parameters, gradient];
        Ok(std::array::from_fn(|at| tracked[at].then(|| gradients[at].clone())))
    };
    Ok((Map::composed(with_gradient(y, arguments, backward)?), statistics))
}

/// The statistics that a batch was normalised by: `[groups, 1, C]` each.
struct Moments {
    mean: Tensor,
    /// 1 / sqrt(variance + epsilon).
    inverse: Tensor,
}

impl Moments {
    /// The gradients of x, and of weight and bias as one, from that of the normalised, scaled and shifted x.
    fn gradients(&self, x: &Tensor, weight: &Tensor, gradient: &Tensor) -> Result<[Tensor; 2]> {
        let grouped = |map: &Tensor| map.reshape((self.mean.dim(0)?, (), self.mean.dim(2)?));
        let normal = grouped(x)?.broadcast_sub(&self.mean)?.broadcast_mul(&self.inverse)?;
        let gradient = grouped(gradient)?;
        let sums = [(&gradient * &normal)?.sum_keepdim(1)?, gradient.sum_keepdim(1)?];
        let share = (gradient.dim(1)? as f64).recip();
        let [of_normal, plain] = [(&sums[0] * share)?, (&sums[1] * share)?];
        let left = gradient.broadcast_sub(&normal.broadcast_mul(&of_normal)?)?.broadcast_sub(&plain)?;
        let for_x = left.broadcast_mul(&self.inverse.broadcast_mul(weight)?)?.reshape(x.shape())?;
        let for_parameters = Tensor::cat(&sums, 1)?.sum(0)?;
        Ok([for_x, for_parameters])
    }
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

/// The gradient of what [`relu`] was applied to, from its result.
fn rectified(y: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    let zeros = y.zeros_like()?;
    y.le(&zeros)?.where_cond(&zeros, gradient)
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
