//! Two-dimensional convolution of channels-last images, as matrix products over patches.

use super::patches::Geometry;
use super::product::{Matrix, Store, multiply};
use super::{composed, values, with_values};
use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor};
use rayon::prelude::*;
use std::cell::RefCell;

/// Convolves `images` `[B, H, W, C]` with `weight` `[O, kh, kw, C]`, without bias: `[B, H', W', O]`.
///
/// Both sides of each axis are padded with `padding` zeros. Gradients reach whichever of the two carries a
/// graph, so a batch of images costs none.
///
/// # Errors
/// When the channels disagree or no window fits.
pub fn conv2d(images: &Tensor, weight: &Tensor, stride: usize, padding: usize) -> Result<Tensor> {
    Geometry::new(images.dims(), weight.dims(), stride, padding)?;
    if !images.device().is_cpu() {
        return composed::conv2d(images, weight, stride, padding);
    }
    images.contiguous()?.apply_op2(&weight.contiguous()?, Convolution { stride, padding })
}

/// `rows` `[B, I]` times the transpose of `weight` `[O, I]`, as in PyTorch: `[B, O]`.
pub fn linear(rows: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let (batch, inputs) = rows.dims2()?;
    let (outputs, _) = weight.dims2()?;
    let weight = weight.reshape((outputs, 1, 1, ()))?;
    conv2d(&rows.reshape((batch, 1, 1, inputs))?, &weight, 1, 0)?.reshape((batch, outputs))
}

struct Convolution {
    stride: usize,
    padding: usize,
}

impl CustomOp2 for Convolution {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        images: &CpuStorage,
        images_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let g = Geometry::new(images_layout.dims(), weight_layout.dims(), self.stride, self.padding)?;
        let weight = transposed(values(weight, weight_layout)?, g.patch());
        let output = convolve(&g, values(images, images_layout)?, &weight);
        Ok((CpuStorage::F32(output), Shape::from((g.batch, g.output[0], g.output[1], g.filters))))
    }

    fn bwd(
        &self,
        images: &Tensor,
        weight: &Tensor,
        _output: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let g = Geometry::new(images.dims(), weight.dims(), self.stride, self.padding)?;
        with_values(gradient, |gradient| {
            let for_images = match images.track_op() {
                true => Some(with_values(weight, |weight| Ok(images_gradient(&g, weight, gradient)))?),
                false => None,
            };
            let for_weight = match weight.track_op() {
                true => Some(with_values(images, |images| Ok(weight_gradient(&g, images, gradient)))?),
                false => None,
            };
            let tensor = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), &Device::Cpu);
            Ok((
                for_images.map(|values| tensor(values, images)).transpose()?,
                for_weight.map(|values| tensor(values, weight)).transpose()?,
            ))
        })
    }
}

/// The convolution with a weight whose filters are its columns: `[patch, filters]`.
fn convolve(g: &Geometry, images: &[f32], weight: &[f32]) -> Vec<f32> {
    let (patch, filters) = (g.patch(), g.filters);
    let mut output = vec![0.0; g.rows() * filters];
    let tile = tile(g.rows(), patch);
    output.par_chunks_mut(tile * filters).enumerate().for_each(|(index, target)| {
        let (start, rows) = (index * tile, target.len() / filters);
        with_patches(g, images, start, rows, |patches| {
            let sizes = [rows, patch, filters];
            multiply(
                target,
                sizes,
                Matrix::rows(patches, patch),
                Matrix::rows(weight, filters),
                Store::Replace,
            );
        });
    });
    output
}

/// The gradient of the images.
fn images_gradient(g: &Geometry, weight: &[f32], gradient: &[f32]) -> Vec<f32> {
    let [kh, kw] = g.kernel;
    if g.is_pointwise() {
        let whole = Geometry { channels: g.filters, filters: g.channels, ..*g };
        return convolve(&whole, gradient, weight);
    }
    if g.stride == 1 && g.padding[0] < kh && g.padding[1] < kw {
        // The gradient is itself a convolution: of the output's gradient, with the weight turned round.
        let turned = Geometry {
            input: g.output,
            output: g.input,
            channels: g.filters,
            filters: g.channels,
            padding: [kh - 1 - g.padding[0], kw - 1 - g.padding[1]],
            ..*g
        };
        return convolve(&turned, gradient, &turn(g, weight));
    }
    // Each task owns whole images, so that overlapping windows never race.
    let (patch, filters) = (g.patch(), g.filters);
    let images = tile(g.rows(), patch).div_ceil(g.area());
    let tile = tile(images * g.area(), patch);
    let mut result = vec![0.0; g.batch * g.image()];
    result.par_chunks_mut(images * g.image()).enumerate().for_each(|(index, target)| {
        let rows = index * images * g.area()..(index * images + target.len() / g.image()) * g.area();
        for start in rows.clone().step_by(tile) {
            let count = tile.min(rows.end - start);
            with_scratch(count * patch, |patches| {
                let gradient = Matrix::rows(&gradient[start * filters..], filters);
                let sizes = [count, filters, patch];
                multiply(patches, sizes, gradient, Matrix::rows(weight, patch), Store::Replace);
                g.scatter(patches, start..start + count, index * images, target);
            });
        }
    });
    result
}

/// The gradient of the weight: a sum over parts of the rows, and in each part over tiles of it.
fn weight_gradient(g: &Geometry, images: &[f32], gradient: &[f32]) -> Vec<f32> {
    let (rows, patch, filters) = (g.rows(), g.patch(), g.filters);
    let parts = (rows / 512).clamp(1, 8);
    let blocks = (8 / parts).clamp(1, filters.div_ceil(32));
    let (part, block) = (rows.div_ceil(parts), filters.div_ceil(blocks));
    let tile = (131_072 / patch).clamp(192, 512).min(part);

    let mut partial = vec![0.0; parts * filters * patch];
    let mut tasks = Vec::new();
    for (index, sums) in partial.chunks_mut(filters * patch).enumerate() {
        tasks.extend(
            sums.chunks_mut(block * patch).enumerate().map(|(column, sums)| (index, column * block, sums)),
        );
    }
    tasks.into_par_iter().for_each(|(index, column, sums)| {
        let rows = index * part..((index + 1) * part).min(rows);
        for start in rows.clone().step_by(tile) {
            let count = tile.min(rows.end - start);
            with_patches(g, images, start, count, |patches| {
                let gradient = Matrix::rows(&gradient[start * filters + column..], filters).transposed();
                let sizes = [sums.len() / patch, count, patch];
                multiply(sums, sizes, gradient, Matrix::rows(patches, patch), Store::Add);
            });
        }
    });
    let (sum, others) = partial.split_at_mut(filters * patch);
    if parts > 1 {
        sum.par_chunks_mut(4096).enumerate().for_each(|(index, sum)| {
            for other in others.chunks(filters * patch) {
                for (sum, value) in sum.iter_mut().zip(&other[index * 4096..]) {
                    *sum += value;
                }
            }
        });
        partial.truncate(filters * patch);
    }
    partial
}

/// Output positions a task handles: its patches fit the second-level cache, there are enough tasks for a
/// few threads, and it depends on nothing but the shape.
fn tile(rows: usize, patch: usize) -> usize {
    let fitting = (131_072 / patch).clamp(48, 1024);
    fitting.min(rows.div_ceil(4).next_multiple_of(8)).max(1)
}

/// Calls `body` with the patches of `rows` output positions from `start`.
fn with_patches(g: &Geometry, images: &[f32], start: usize, rows: usize, body: impl FnOnce(&[f32])) {
    let patch = g.patch();
    if g.is_pointwise() {
        return body(&images[start * patch..][..rows * patch]);
    }
    with_scratch(rows * patch, |patches| {
        g.gather(images, start..start + rows, patches);
        body(patches);
    });
}

/// Calls `body` with `length` values of this thread's scratch memory, whose contents are arbitrary.
fn with_scratch<R>(length: usize, body: impl FnOnce(&mut [f32]) -> R) -> R {
    thread_local!(static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) });
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.len() < length {
            scratch.resize(length, 0.0);
        }
        body(&mut scratch[..length])
    })
}

/// The transpose of a matrix with rows of `width` values.
fn transposed(matrix: &[f32], width: usize) -> Vec<f32> {
    const BLOCK: usize = 16;
    let height = matrix.len() / width;
    let mut result = vec![0.0; matrix.len()];
    result.par_chunks_mut(BLOCK * height).enumerate().for_each(|(index, lines)| {
        let columns = index * BLOCK..index * BLOCK + lines.len() / height;
        for top in (0..height).step_by(BLOCK) {
            let bottom = (top + BLOCK).min(height);
            for (line, column) in lines.chunks_mut(height).zip(columns.clone()) {
                for (value, row) in line[top..bottom].iter_mut().zip(top..) {
                    *value = matrix[row * width + column];
                }
            }
        }
    });
    result
}

/// The weight of the convolution that takes the output's gradient to the images': `[kh, kw, filters]` reversed
/// along both axes of the kernel, with the channels as its columns.
fn turn(g: &Geometry, weight: &[f32]) -> Vec<f32> {
    let (channels, filters) = (g.channels, g.filters);
    let places = g.kernel[0] * g.kernel[1];
    let mut result = vec![0.0; weight.len()];
    result.par_chunks_mut(filters * channels).enumerate().for_each(|(place, target)| {
        for (filter, target) in target.chunks_exact_mut(channels).enumerate() {
            let source = (filter * places + (places - 1 - place)) * channels;
            target.copy_from_slice(&weight[source..source + channels]);
        }
    });
    result
}
