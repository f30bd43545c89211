//! Two-dimensional convolution of channels-last images, as matrix products over patches.

use super::buffer::Buffer;
use super::map::{Map, Node, Pixels};
use super::patches::Geometry;
use super::product::{Matrix, Store, multiply};
use super::{LANES, composed, winograd, with_scratch, with_values};
use candle_core::{Device, Result, Shape, Tensor};
use rayon::prelude::*;
use std::sync::Arc;

/// Convolves `images` `[B, H, W, C]` with `weight` `[O, kh, kw, C]`, without bias: `[B, H', W', O]`.
///
/// Both sides of each axis are padded with `padding` zeros. Gradients reach whichever of the two carries a
/// graph, so a batch of images costs none.
///
/// # Errors
/// When the channels disagree or no window fits.
pub fn conv2d(images: &Map, weight: &Tensor, stride: usize, padding: usize) -> Result<Map> {
    let g = Geometry::new(images.dims(), weight.dims(), stride, padding)?;
    match images.pixels() {
        None => composed::conv2d(images, weight, stride, padding),
        // One tap of the kernel meets an image of one pixel; the others meet its padding.
        Some(_) if g.kernel != [1, 1] && g.input == [1, 1] && g.output == [1, 1] => {
            conv2d(images, &weight.narrow(1, padding, 1)?.narrow(2, padding, 1)?.contiguous()?, 1, 0)
        }
        Some(pixels) => {
            let shape = Shape::from((g.batch, g.output[0], g.output[1], g.filters));
            convolution(g, images, pixels, weight, shape)
        }
    }
}

/// `rows` `[B, I]` times the transpose of `weight` `[O, I]`, as in PyTorch: `[B, O]`.
///
/// # Errors
/// When the sizes disagree.
pub fn linear(rows: &Map, weight: &Tensor) -> Result<Map> {
    let (outputs, inputs) = weight.dims2()?;
    let batch = rows.dims().first().copied().unwrap_or(0);
    let features: usize = rows.dims().iter().skip(1).product();
    let g = Geometry::new(&[batch, 1, 1, features], &[outputs, 1, 1, inputs], 1, 0)?;
    match rows.pixels() {
        None => composed::linear(rows, weight),
        Some(pixels) => convolution(g, rows, pixels, weight, Shape::from((batch, outputs))),
    }
}

fn convolution(g: Geometry, images: &Map, pixels: &Pixels, weight: &Tensor, shape: Shape) -> Result<Map> {
    let mut output = Buffer::stale(g.rows() * g.filters);
    with_values(weight, |weight| {
        if winograd::fits(&g) {
            winograd::convolve(
                &g,
                pixels,
                &winograd::forward_weight(&g, weight),
                &mut output,
                Store::Replace,
            );
        } else if is_deep(&g) {
            let weight = Matrix::rows(weight, g.patch()).transposed();
            convolve(&g, pixels, weight, &mut output, Store::Replace);
        } else {
            // Many tasks read the weight: better in the order in which they do.
            let weight = transposed(weight, g.patch());
            convolve(&g, pixels, Matrix::rows(&weight, g.filters), &mut output, Store::Replace);
        }
        Ok(())
    })?;
    let (saved, node, kernel) = (pixels.clone(), images.node().cloned(), weight.clone());
    let backward = move |gradient: Buffer| {
        let for_weight = kernel.track_op().then(|| weight_gradient(&g, &saved, &gradient));
        drop(saved);
        if let Some(node) = node {
            let gradient = Pixels { buffer: Arc::new(gradient), affine: None };
            let write = |target: &mut [f32], store| {
                with_values(&kernel, |weight| {
                    images_gradient(&g, weight, &gradient, target, store);
                    Ok(())
                })
            };
            node.accumulate(g.batch * g.image(), write)?;
        }
        for_weight.map(|values| Tensor::from_vec(values, kernel.shape(), &Device::Cpu)).transpose()
    };
    let node = Node::link([images.node(), None], Some(weight), backward)?;
    Ok(Map::new(shape, output, node))
}

/// True for few positions and a weight that exceeds the second-level cache: then the weight is spread over tasks,
/// and elsewhere the positions are.
fn is_deep(g: &Geometry) -> bool {
    g.rows() <= 1024 && g.patch() * g.filters > 1 << 18
}

/// The convolution with a weight whose filters are its columns: `[patch, filters]`.
pub(super) fn convolve(g: &Geometry, images: &Pixels, weight: Matrix<'_>, output: &mut [f32], store: Store) {
    let (patch, filters) = (g.patch(), g.filters);
    if is_deep(g) {
        return convolve_by_filters(g, images, weight, output, store);
    }
    let tile = tile(g.rows(), patch);
    output.par_chunks_mut(tile * filters).enumerate().for_each(|(index, target)| {
        let (start, rows) = (index * tile, target.len() / filters);
        with_patches(g, images, start, rows, |patches| {
            multiply(target, [rows, patch, filters], Matrix::rows(patches, patch), weight, store);
        });
    });
}

/// The same, where each task takes some filters at all positions.
fn convolve_by_filters(g: &Geometry, images: &Pixels, weight: Matrix<'_>, output: &mut [f32], store: Store) {
    let (rows, patch, filters) = (g.rows(), g.patch(), g.filters);
    let patches = all_patches(g, images);
    let block = filters.div_ceil(8).next_multiple_of(LANES);
    let mut products = Buffer::stale(rows * filters);
    products.par_chunks_mut(rows * block).enumerate().for_each(|(index, target)| {
        let sizes = [rows, patch, target.len() / rows];
        multiply(
            target,
            sizes,
            Matrix::rows(&patches, patch),
            weight.columns_from(index * block),
            Store::Replace,
        );
    });
    output.par_chunks_mut(filters).enumerate().with_min_len(16).for_each(|(row, target)| {
        for (target, products) in target.chunks_mut(block).zip(products.chunks(rows * block)) {
            let source = &products[row * target.len()..][..target.len()];
            match store {
                Store::Replace => target.copy_from_slice(source),
                Store::Add => target.iter_mut().zip(source).for_each(|(sum, value)| *sum += value),
            }
        }
    });
}

/// The gradient of the images.
fn images_gradient(g: &Geometry, weight: &[f32], gradient: &Pixels, result: &mut [f32], store: Store) {
    let (patch, filters) = (g.patch(), g.filters);
    if g.is_pointwise() {
        return convolve(&g.turned(), gradient, Matrix::rows(weight, patch), result, store);
    }
    if g.can_turn() {
        // The gradient is itself a convolution: of the output's gradient, with the weight turned round.
        let turned = g.turned();
        if winograd::fits(&turned) {
            return winograd::convolve(&turned, gradient, &winograd::turned_weight(g, weight), result, store);
        }
        let weight = turn(g, weight);
        return convolve(&turned, gradient, Matrix::rows(&weight, g.channels), result, store);
    }
    // Each task owns whole images, so that overlapping windows never race.
    let images = tile(g.rows(), patch).div_ceil(g.area());
    let tile = tile(images * g.area(), patch);
    result.par_chunks_mut(images * g.image()).enumerate().for_each(|(index, target)| {
        if store == Store::Replace {
            target.fill(0.0);
        }
        let rows = index * images * g.area()..(index * images + target.len() / g.image()) * g.area();
        for start in rows.clone().step_by(tile) {
            let count = tile.min(rows.end - start);
            with_scratch(count * patch, |patches| {
                let gradient = Matrix::rows(&gradient.buffer[start * filters..], filters);
                let sizes = [count, filters, patch];
                multiply(patches, sizes, gradient, Matrix::rows(weight, patch), Store::Replace);
                g.scatter(patches, start..start + count, index * images, target);
            });
        }
    });
}

fn weight_gradient(g: &Geometry, images: &Pixels, gradient: &[f32]) -> Vec<f32> {
    match winograd::fits(g) {
        true => winograd::weight_gradient(g, images, gradient),
        false => product_weight_gradient(g, images, gradient),
    }
}

/// The gradient of the weight: a sum over parts of the rows, and in each part over tiles of it.
pub(super) fn product_weight_gradient(g: &Geometry, images: &Pixels, gradient: &[f32]) -> Vec<f32> {
    let (rows, patch, filters) = (g.rows(), g.patch(), g.filters);
    let parts = (rows / 512).clamp(1, 8);
    let blocks = (8 / parts).clamp(1, filters.div_ceil(32));
    let (part, block) = (rows.div_ceil(parts), filters.div_ceil(blocks));
    let tile = (131_072 / patch).clamp(192, 512).min(part);
    // Several tasks read the same patches: copied once, unless there are too many.
    let shared = (blocks > 1 && rows * patch <= 1 << 22).then(|| all_patches(g, images));

    let mut partial = Buffer::stale(parts * filters * patch);
    let mut tasks = Vec::new();
    for (index, sums) in partial.chunks_mut(filters * patch).enumerate() {
        tasks.extend(
            sums.chunks_mut(block * patch).enumerate().map(|(column, sums)| (index, column * block, sums)),
        );
    }
    tasks.into_par_iter().for_each(|(index, column, sums)| {
        let rows = index * part..((index + 1) * part).min(rows);
        if rows.is_empty() {
            return sums.fill(0.0);
        }
        for start in rows.clone().step_by(tile) {
            let count = tile.min(rows.end - start);
            let store = if start == rows.start { Store::Replace } else { Store::Add };
            let gradient = Matrix::rows(&gradient[start * filters + column..], filters).transposed();
            let sizes = [sums.len() / patch, count, patch];
            let mut add =
                |patches: &[f32]| multiply(sums, sizes, gradient, Matrix::rows(patches, patch), store);
            match &shared {
                Some(patches) => add(&patches[start * patch..][..count * patch]),
                None => with_patches(g, images, start, count, add),
            }
        }
    });
    sum_of_parts(&partial, filters * patch)
}

/// The sum of vectors of `length` values that follow one another.
fn sum_of_parts(parts: &[f32], length: usize) -> Vec<f32> {
    const CHUNK: usize = 4096;
    let (first, others) = parts.split_at(length);
    let mut sum = first.to_vec();
    sum.par_chunks_mut(CHUNK).enumerate().for_each(|(index, sum)| {
        for other in others.chunks(length) {
            for (sum, value) in sum.iter_mut().zip(&other[index * CHUNK..]) {
                *sum += value;
            }
        }
    });
    sum
}

/// Output positions a task handles: its patches fit the second-level cache, there are enough tasks for a
/// few threads, and it depends on nothing but the shape.
fn tile(rows: usize, patch: usize) -> usize {
    let fitting = (131_072 / patch).clamp(48, 1024);
    fitting.min(rows.div_ceil(4).next_multiple_of(8)).max(1)
}

/// Calls `body` with the patches of `rows` output positions from `start`.
fn with_patches(g: &Geometry, images: &Pixels, start: usize, rows: usize, body: impl FnOnce(&[f32])) {
    let patch = g.patch();
    if g.is_pointwise() {
        return images.with(start * patch..(start + rows) * patch, body);
    }
    with_scratch(rows * patch, |patches| {
        g.gather(images, start..start + rows, patches);
        body(patches);
    });
}

/// The patches of all output positions: the images themselves, where they are their own patches.
fn all_patches(g: &Geometry, images: &Pixels) -> Arc<Buffer> {
    const ROWS: usize = 16;
    if g.is_pointwise() {
        return images.whole();
    }
    let mut patches = Buffer::stale(g.rows() * g.patch());
    patches.par_chunks_mut(ROWS * g.patch()).enumerate().for_each(|(index, patches)| {
        let start = index * ROWS;
        g.gather(images, start..start + patches.len() / g.patch(), patches);
    });
    Arc::new(patches)
}

/// The transpose of a matrix with rows of `width` values.
fn transposed(matrix: &[f32], width: usize) -> Buffer {
    const BLOCK: usize = 16;
    let height = matrix.len() / width;
    let mut result = Buffer::stale(matrix.len());
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
pub(super) fn turn(g: &Geometry, weight: &[f32]) -> Buffer {
    let (channels, filters) = (g.channels, g.filters);
    let places = g.kernel[0] * g.kernel[1];
    let mut result = Buffer::stale(weight.len());
    result.par_chunks_mut(filters * channels).enumerate().for_each(|(place, target)| {
        for (filter, target) in target.chunks_exact_mut(channels).enumerate() {
            let source = (filter * places + (places - 1 - place)) * channels;
            target.copy_from_slice(&weight[source..source + channels]);
        }
    });
    result
}
