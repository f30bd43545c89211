//! Max pooling and the global mean.

use super::{composed, values, vectorised, with_values};
use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;
use std::sync::{Arc, OnceLock};

/// The maximum over square windows of `[B, H, W, C]`; the border is padded with nothing that could win.
///
/// The gradient goes to the first maximum of each window, as in PyTorch.
///
/// # Errors
/// When `padding` exceeds half the window, or no window fits.
pub fn max_pool(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    let windows = Windows { kernel, stride, padding };
    windows.output(x.dims())?;
    if !x.device().is_cpu() {
        return composed::max_pool(x, kernel, stride, padding);
    }
    x.contiguous()?.apply_op1(MaxPool { windows, winners: Arc::default() })
}

/// The mean over all positions: `[B, H, W, C]` to `[B, C]`.
pub fn mean_pool(x: &Tensor) -> Result<Tensor> {
    x.mean((1, 2))
}

#[derive(Clone, Copy)]
pub(super) struct Windows {
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl Windows {
    fn output(&self, dims: &[usize]) -> Result<[usize; 4]> {
        let &[batch, height, width, channels] = dims else {
            bail!("max pool needs [B, H, W, C], got {dims:?}");
        };
        let Self { kernel, stride, padding } = *self;
        if kernel == 0 || kernel > 255 || stride == 0 || padding * 2 > kernel {
            bail!("max pool cannot use a window of {kernel} with stride {stride} and padding {padding}");
        }
        if height + 2 * padding < kernel || width + 2 * padding < kernel {
            bail!("no window of {kernel} fits {dims:?} padded by {padding}");
        }
        let places = |size: usize| (size + 2 * padding - kernel) / stride + 1;
        Ok([batch, places(height), places(width), channels])
    }
}

struct MaxPool {
    windows: Windows,
    /// Which place of its window won, for each output value.
    winners: Arc<OnceLock<Vec<u16>>>,
}

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let dims = layout.dims();
        let output = self.windows.output(dims)?;
        let x = values(x, layout)?;
        let mut y = vec![f32::NEG_INFINITY; output.iter().product()];
        let mut winners = vec![0u16; y.len()];
        let size: usize = output[1..].iter().product();
        let image: usize = dims[1..].iter().product();
        let images = y.par_chunks_mut(size).zip(winners.par_chunks_mut(size)).zip(x.par_chunks(image));
        images.for_each(|((y, winners), x)| {
            self.each_place(dims, &output, |target, source, place| {
                let (y, winners) = (&mut y[target.clone()], &mut winners[target]);
                vectorised(|| {
                    for ((y, winner), x) in y.iter_mut().zip(winners).zip(&x[source]) {
                        // A NaN wins and stays.
                        let wins = *x > *y || x.is_nan();
                        *y = if wins { *x } else { *y };
                        *winner = if wins { place } else { *winner };
                    }
                });
            });
        });
        // A second forward pass of the same operation cannot happen: each one makes its own.
        let _ = self.winners.set(winners);
        Ok((CpuStorage::F32(y), Shape::from(output.to_vec())))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let Some(winners) = self.winners.get() else {
            bail!("max pool has no forward pass to go back through");
        };
        let dims = x.dims();
        let output = self.windows.output(dims)?;
        let size: usize = output[1..].iter().product();
        let image: usize = dims[1..].iter().product();
        let mut result = vec![0.0; x.elem_count()];
        with_values(gradient, |gradient| {
            let images =
                result.par_chunks_mut(image).zip(gradient.par_chunks(size)).zip(winners.par_chunks(size));
            images.for_each(|((result, gradient), winners)| {
                self.each_place(dims, &output, |source, target, place| {
                    let (gradient, winners) = (&gradient[source.clone()], &winners[source]);
                    vectorised(|| {
                        for ((sum, gradient), winner) in result[target].iter_mut().zip(gradient).zip(winners)
                        {
                            *sum += if *winner == place { *gradient } else { 0.0 };
                        }
                    });
                });
            });
            Ok(())
        })?;
        Ok(Some(Tensor::from_vec(result, x.shape(), &Device::Cpu)?))
    }
}

impl MaxPool {
    /// Calls `body(channels of an output position, channels of an input position, place in the window)` for
    /// all windows of an image.
    fn each_place(
        &self,
        dims: &[usize],
        output: &[usize; 4],
        mut body: impl FnMut(std::ops::Range<usize>, std::ops::Range<usize>, u16),
    ) {
        let Windows { kernel, stride, padding } = self.windows;
        let (height, width, channels) = (dims[1], dims[2], dims[3]);
        for oy in 0..output[1] {
            for ox in 0..output[2] {
                let target = (oy * output[2] + ox) * channels;
                for ky in 0..kernel {
                    for kx in 0..kernel {
                        let (y, x) = (oy * stride + ky, ox * stride + kx);
                        if y < padding || x < padding || y - padding >= height || x - padding >= width {
                            continue;
                        }
                        let source = ((y - padding) * width + x - padding) * channels;
                        let place = (ky * kernel + kx) as u16;
                        body(target..target + channels, source..source + channels, place);
                    }
                }
            }
        }
    }
}
