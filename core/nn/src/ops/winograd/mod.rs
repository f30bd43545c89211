//! Convolution with 3x3 kernels at stride 1 by Winograd's minimal filtering F(2x2, 3x3) (Lavin and Gray 2016).
//!
//! A tile of 2x2 output values takes 16 multiplications in place of 36: `A' ((G w G') * (B' d B)) A`, where `d` are the 4x4
//! input values under the tile, and the product in the middle is element by element. Over many tiles, channels and
//! filters each of the 16 places is a matrix product. All coefficients are 0, 1 or 1/2, so that little is lost to
//! rounding.

mod kernels;
mod places;
mod tiles;

pub(super) use kernels::{forward_weight, turned_weight};

use super::buffer::Buffer;
use super::map::Pixels;
use super::patches::Geometry;
use super::product::{Matrix, Store, multiply};
use super::with_scratch;
use kernels::back_to_kernels;
use places::{PLACES, parts, stride};
use rayon::prelude::*;
use std::ops::Range;
use tiles::{Tiles, gradient_window, input_window};

/// Above this many weights the transformed ones leave the second-level cache, and each place is multiplied for all tiles
/// at once.
const LARGE: usize = 160 * 160;

/// True if a convolution can be done this way and gains by it: the saving in products has to outweigh the transforms of
/// the weight, which come from memory where the weight is large.
pub(super) fn fits(g: &Geometry) -> bool {
    let weights = g.channels * g.filters;
    let transforms = if weights > LARGE { 600 } else { 60 };
    let tiles = Tiles::of(g);
    g.kernel == [3, 3] && g.stride == 1 && 9 * g.rows() > PLACES * tiles.lines * tiles.across + transforms
}

/// The convolution with a transformed weight.
pub(super) fn convolve(g: &Geometry, images: &Pixels, weight: &[f32], output: &mut [f32], store: Store) {
    let tiles = Tiles::of(g);
    let (channels, filters) = (g.channels, g.filters);
    let product = |target: &mut [f32], place: usize, input: &[f32], count: usize| {
        let weight = Matrix::rows(&weight[place * stride(channels * filters)..], filters);
        multiply(target, [count, channels, filters], Matrix::rows(input, channels), weight, Store::Replace);
    };
    if channels * filters <= LARGE {
        let blocks = tiles.blocks(g, output, block(g));
        blocks.into_par_iter().for_each(|(lines, output)| {
            let count = lines.len() * tiles.across;
            let sizes =
                [PLACES * stride(count * channels), PLACES * stride(count * filters), input_window(g, tiles)];
            with_scratches(sizes, |[input, result, window]| {
                for (line, mut places) in
                    lines.clone().zip(parts(input, count * channels, tiles.across * channels))
                {
                    tiles.line(g, line).transform_images(images, window, &mut places);
                }
                let places =
                    result.chunks_mut(stride(count * filters)).zip(input.chunks(stride(count * channels)));
                places.enumerate().for_each(|(place, (target, input))| product(target, place, input, count));
                tiles.write(g, result, 0, (lines, output), store);
            });
        });
        return;
    }
    for (lines, output) in tiles.blocks(g, output, 1024) {
        let count = lines.len() * tiles.across;
        let input = transformed_images(g, tiles, images, lines.clone());
        let mut result = Buffer::stale(PLACES * stride(count * filters));
        let places =
            result.par_chunks_mut(stride(count * filters)).zip(input.par_chunks(stride(count * channels)));
        places.enumerate().for_each(|(place, (target, input))| product(target, place, input, count));
        drop(input);
        let first = lines.start;
        let parts = tiles.split(g, lines, output, 16);
        parts.into_par_iter().for_each(|(lines, output)| {
            tiles.write(g, &result, lines.start - first, (lines, output), store);
        });
    }
}

/// The gradient of the weight, `[filters, 3, 3, channels]`: the sum over all tiles of `G' ((A y A') * (B' d B)) G`, with the
/// gradient `y` of the tile's output.
pub(super) fn weight_gradient(g: &Geometry, images: &Pixels, gradient: &[f32]) -> Vec<f32> {
    let sums = if g.channels * g.filters > LARGE {
        sums_place_by_place(g, images, gradient)
    } else {
        sums_part_by_part(g, images, gradient)
    };
    back_to_kernels(g, &sums)
}

/// `[16, filters, channels]`: each place is multiplied for many tiles at once.
fn sums_place_by_place(g: &Geometry, images: &Pixels, gradient: &[f32]) -> Buffer {
    let tiles = Tiles::of(g);
    let (channels, filters) = (g.channels, g.filters);
    let mut sum = Buffer::stale(PLACES * stride(filters * channels));
    for (index, lines) in tiles.ranges(0..tiles.lines, 1024).enumerate() {
        let count = lines.len() * tiles.across;
        let input = transformed_images(g, tiles, images, lines.clone());
        let gradient = transformed_gradient(g, tiles, gradient, lines);
        let store = if index == 0 { Store::Replace } else { Store::Add };
        let factors =
            gradient.par_chunks(stride(count * filters)).zip(input.par_chunks(stride(count * channels)));
        sum.par_chunks_mut(stride(filters * channels)).zip(factors).for_each(|(target, factors)| {
            add_products(g, target, factors, count, store);
        });
    }
    sum
}

/// `[parts, 16, filters, channels]`: the tiles in at most 8 parts, whatever the number of threads; of each part few enough
/// tiles at once that they stay in the second-level cache.
fn sums_part_by_part(g: &Geometry, images: &Pixels, gradient: &[f32]) -> Buffer {
    let tiles = Tiles::of(g);
    let (channels, filters) = (g.channels, g.filters);
    let size = PLACES * stride(filters * channels);
    let count = (tiles.lines * tiles.across / 256).clamp(1, 8).min(tiles.lines);
    let part = tiles.lines.div_ceil(count);
    let mut sums = Buffer::stale(tiles.lines.div_ceil(part) * size);
    sums.par_chunks_mut(size).enumerate().for_each(|(index, sums)| {
        let mine = index * part..((index + 1) * part).min(tiles.lines);
        for lines in tiles.ranges(mine.clone(), block(g)) {
            let count = lines.len() * tiles.across;
            let window = input_window(g, tiles).max(gradient_window(g, tiles));
            let sizes = [PLACES * stride(count * channels), PLACES * stride(count * filters), window];
            let store = if lines.start == mine.start { Store::Replace } else { Store::Add };
            with_scratches(sizes, |[input, result, window]| {
                let inputs = parts(input, count * channels, tiles.across * channels);
                let results = parts(result, count * filters, tiles.across * filters);
                for ((line, mut input), mut result) in lines.zip(inputs).zip(results) {
                    let line = tiles.line(g, line);
                    line.transform_images(images, &mut window[..input_window(g, tiles)], &mut input);
                    line.transform_gradient(gradient, &mut window[..gradient_window(g, tiles)], &mut result);
                }
                let factors =
                    result.chunks(stride(count * filters)).zip(input.chunks(stride(count * channels)));
                for (target, factors) in sums.chunks_mut(stride(filters * channels)).zip(factors) {
                    add_products(g, target, factors, count, store);
                }
            });
        }
    });
    sums
}

/// The product over `count` tiles of one place: `[filters, channels]` from `[count, filters]` and `[count, channels]`.
fn add_products(
    g: &Geometry,
    target: &mut [f32],
    (gradient, input): (&[f32], &[f32]),
    count: usize,
    store: Store,
) {
    let gradient = Matrix::rows(gradient, g.filters).transposed();
    multiply(target, [g.filters, count, g.channels], gradient, Matrix::rows(input, g.channels), store);
}

/// Tiles whose places stay in the second-level cache.
fn block(g: &Geometry) -> usize {
    (16_384 / (g.channels + g.filters)).clamp(64, 512)
}

/// `B' d B` for some lines of tiles, `[16, tiles, channels]`, in parallel.
fn transformed_images(g: &Geometry, tiles: Tiles, images: &Pixels, lines: Range<usize>) -> Buffer {
    let line = tiles.across * g.channels;
    let mut result = Buffer::stale(PLACES * stride(lines.len() * line));
    parts(&mut result, lines.len() * line, line).into_par_iter().zip(lines).for_each(|(mut places, line)| {
        with_scratch(input_window(g, tiles), |window| {
            tiles.line(g, line).transform_images(images, window, &mut places);
        });
    });
    result
}

/// `A y A'` for some lines of tiles, `[16, tiles, filters]`, in parallel.
fn transformed_gradient(g: &Geometry, tiles: Tiles, gradient: &[f32], lines: Range<usize>) -> Buffer {
    let line = tiles.across * g.filters;
    let mut result = Buffer::stale(PLACES * stride(lines.len() * line));
    parts(&mut result, lines.len() * line, line).into_par_iter().zip(lines).for_each(|(mut places, line)| {
        with_scratch(gradient_window(g, tiles), |window| {
            tiles.line(g, line).transform_gradient(gradient, window, &mut places);
        });
    });
    result
}

/// Calls `body` with three pieces of this thread's scratch memory.
fn with_scratches<R>(sizes: [usize; 3], body: impl FnOnce([&mut [f32]; 3]) -> R) -> R {
    with_scratch(sizes.iter().sum(), |scratch| {
        let (first, rest) = scratch.split_at_mut(sizes[0]);
        let (second, third) = rest.split_at_mut(sizes[1]);
        body([first, second, third])
    })
}

#[cfg(test)]
mod tests {
    use super::super::conv;
    use super::*;
    use std::sync::Arc;

    fn noise(count: usize, seed: u64) -> Buffer {
        use rand::Rng;
        let mut stream = univip_stdx::seed::stream(seed, "winograd", &[]);
        let mut values = Buffer::zeros(count);
        values.fill_with(|| stream.random::<f32>() - 0.5);
        values
    }

    fn assert_close(found: &[f32], expected: &[f32], what: &str) {
        let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!((found - expected).abs() < 1e-5 * largest, "{what} {at}: {found}, expected {expected}");
        }
    }

    #[test]
    fn it_is_the_convolution_over_patches() {
        // Few and many weights, even and odd sides, one tile, several blocks; with paddings 0 to 2.
        let cases = [
            ([2, 8, 7], 3, 5, 1),
            ([1, 2, 2], 17, 16, 1),
            ([3, 5, 4], 16, 33, 0),
            ([2, 5, 6], 4, 4, 2),
            ([9, 34, 31], 8, 8, 1),
            ([2, 7, 5], 170, 152, 1),
            ([40, 2, 1], 5, 6, 1),
            ([33, 4, 1], 17, 16, 1),
        ];
        for ([batch, height, width], channels, filters, padding) in cases {
            let dims = [batch, height, width, channels];
            let g = Geometry::new(&dims, &[filters, 3, 3, channels], 1, padding).unwrap();
            let what = format!("{g:?}");
            let images = Pixels { buffer: Arc::new(noise(dims.iter().product(), 0)), affine: None };
            let weight = noise(9 * filters * channels, 1);

            let mut expected = Buffer::zeros(g.rows() * filters);
            let columns = Matrix::rows(&weight, g.patch()).transposed();
            conv::convolve(&g, &images, columns, &mut expected, Store::Replace);
            let mut found = Buffer::stale(g.rows() * filters);
            convolve(&g, &images, &forward_weight(&g, &weight), &mut found, Store::Replace);
            assert_close(&found, &expected, &what);
            convolve(&g, &images, &forward_weight(&g, &weight), &mut found, Store::Add);
            expected.iter_mut().for_each(|value| *value *= 2.0);
            assert_close(&found, &expected, &what);

            let gradient = noise(g.rows() * filters, 2);
            let found = weight_gradient(&g, &images, &gradient);
            assert_close(&found, &conv::product_weight_gradient(&g, &images, &gradient), &what);

            let gradient = Pixels { buffer: Arc::new(gradient), affine: None };
            let turned = g.turned();
            let mut expected = Buffer::stale(batch * g.image());
            let turned_round = conv::turn(&g, &weight);
            let rows = Matrix::rows(&turned_round, g.channels);
            conv::convolve(&turned, &gradient, rows, &mut expected, Store::Replace);
            let mut found = Buffer::stale(batch * g.image());
            convolve(&turned, &gradient, &turned_weight(&g, &weight), &mut found, Store::Replace);
            assert_close(&found, &expected, &what);
        }
    }
}
