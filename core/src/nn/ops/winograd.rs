//! Convolution with 3x3 kernels at stride 1 by Winograd's minimal filtering F(2x2, 3x3) (Lavin and Gray 2016).
//!
//! A tile of 2x2 output values takes 16 multiplications in place of 36: `A' ((G w G') * (B' d B)) A`, where `d` are the 4x4
//! input values under the tile, and the product in the middle is element by element. Over many tiles, channels and
//! filters each of the 16 places is a matrix product. All coefficients are 0, 1 or 1/2, so that little is lost to
//! rounding.

use super::buffer::Buffer;
use super::conv::{sum_of_parts, transposed};
use super::map::Pixels;
use super::patches::Geometry;
use super::product::{Matrix, Store, multiply};
use super::{LANES, for_lanes, vectorised, with_scratch};
use rayon::prelude::*;
use std::ops::Range;

/// Places of a transformed tile.
const PLACES: usize = 16;

/// Above this many weights the transformed ones leave the second-level cache, and each place is multiplied for all tiles
/// at once.
const LARGE: usize = 160 * 160;

/// Whether a convolution can be done this way and gains by it.
pub(super) fn fits(g: &Geometry) -> bool {
    g.kernel == [3, 3] && g.stride == 1 && g.output[0] > 1 && g.output[1] > 1
}

/// The transformed weight `[16, channels, filters]` of a convolution with `weight` `[filters, 3, 3, channels]`.
pub(super) fn forward_weight(g: &Geometry, weight: &[f32]) -> Buffer {
    transformed_weight(&transposed(weight, g.patch()), g.channels * g.filters, false)
}

/// The transformed weight `[16, filters, channels]` of the convolution that takes the gradient of the output of `g` to that
/// of its images.
pub(super) fn turned_weight(g: &Geometry, weight: &[f32]) -> Buffer {
    transformed_weight(weight, g.channels, true)
}

/// G of the transforms of kernels.
const G: [[f32; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];

/// `G w G'` of kernels `[.., 3, 3, values]`: `[16, .., values]`; of the kernels turned round, if asked.
fn transformed_weight(kernels: &[f32], values: usize, turned: bool) -> Buffer {
    const CHUNK: usize = 1024;
    let count = kernels.len() / 9;
    let mut result = Buffer::stale(PLACES * count);
    result.par_chunks_mut(4 * count).enumerate().for_each(|(row, result)| {
        let mut sums = [[0f32; CHUNK]; 3];
        for (index, kernel) in kernels.chunks_exact(9 * values).enumerate() {
            for start in (0..values).step_by(CHUNK) {
                let length = CHUNK.min(values - start);
                for (column, sum) in sums.iter_mut().enumerate() {
                    let tap = |row: usize| {
                        let tap = if turned { 8 - 3 * row - column } else { 3 * row + column };
                        &kernel[tap * values + start..][..length]
                    };
                    let (upper, middle, lower) = (tap(0), tap(1), tap(2));
                    weigh(&mut sum[..length], [upper, middle, lower], G[row]);
                }
                for (place, result) in result.chunks_exact_mut(count).enumerate() {
                    let result = &mut result[index * values + start..][..length];
                    let [left, middle, right] = &sums;
                    weigh(result, [&left[..length], &middle[..length], &right[..length]], G[place]);
                }
            }
        }
    });
    result
}

/// The convolution with a transformed weight.
pub(super) fn convolve(g: &Geometry, images: &Pixels, weight: &[f32], output: &mut [f32], store: Store) {
    let tiles = Tiles::of(g);
    let (channels, filters) = (g.channels, g.filters);
    let product = |target: &mut [f32], place: usize, input: &[f32]| {
        let weight = Matrix::rows(&weight[place * channels * filters..], filters);
        let sizes = [input.len() / channels, channels, filters];
        multiply(target, sizes, Matrix::rows(input, channels), weight, Store::Replace);
    };
    if channels * filters <= LARGE {
        let blocks = tiles.blocks(g, output, (16_384 / (channels + filters)).clamp(64, 512));
        blocks.into_par_iter().for_each(|(lines, output)| {
            let count = lines.len() * tiles.across;
            with_scratch(PLACES * count * (channels + filters), |scratch| {
                let (input, result) = scratch.split_at_mut(PLACES * count * channels);
                input.chunks_mut(4 * count * channels).enumerate().for_each(|(row, input)| {
                    transform_images(g, tiles, images, lines.clone(), row, input);
                });
                let places = result.chunks_mut(count * filters).zip(input.chunks(count * channels));
                places.enumerate().for_each(|(place, (target, input))| product(target, place, input));
                tiles.write(g, result, 0..lines.len(), lines, output, store);
            });
        });
        return;
    }
    for (lines, output) in tiles.blocks(g, output, 1024) {
        let count = lines.len() * tiles.across;
        let input = transformed(count * channels, |row, input| {
            transform_images(g, tiles, images, lines.clone(), row, input);
        });
        let mut result = Buffer::stale(PLACES * count * filters);
        let places = result.par_chunks_mut(count * filters).zip(input.par_chunks(count * channels));
        places.enumerate().for_each(|(place, (target, input))| product(target, place, input));
        drop(input);
        let first = lines.start;
        let parts = tiles.split(g, lines, output, 16);
        parts.into_par_iter().for_each(|(lines, output)| {
            let inside = lines.start - first..lines.end - first;
            tiles.write(g, &result, inside, lines, output, store);
        });
    }
}

/// The gradient of the weight, `[filters, 3, 3, channels]`: the sum over all tiles of `G' ((A y A') * (B' d B)) G`, with the
/// gradient `y` of the tile's output.
pub(super) fn weight_gradient(g: &Geometry, images: &Pixels, gradient: &[f32]) -> Vec<f32> {
    let tiles = Tiles::of(g);
    let (channels, filters) = (g.channels, g.filters);
    let size = PLACES * filters * channels;
    let product = |target: &mut [f32], gradient: &[f32], input: &[f32], store| {
        let sizes = [filters, input.len() / channels, channels];
        let gradient = Matrix::rows(gradient, filters).transposed();
        multiply(target, sizes, gradient, Matrix::rows(input, channels), store);
    };
    if channels * filters > LARGE {
        let mut sum = Buffer::stale(size);
        for (index, lines) in tiles.ranges(0..tiles.lines, 1024).enumerate() {
            let count = lines.len() * tiles.across;
            let input = transformed(count * channels, |row, input| {
                transform_images(g, tiles, images, lines.clone(), row, input);
            });
            let gradient = transformed(count * filters, |row, result| {
                transform_gradient(g, tiles, gradient, lines.clone(), row, result);
            });
            let store = if index == 0 { Store::Replace } else { Store::Add };
            let factors = gradient.par_chunks(count * filters).zip(input.par_chunks(count * channels));
            sum.par_chunks_mut(filters * channels).zip(factors).for_each(|(target, (gradient, input))| {
                product(target, gradient, input, store);
            });
        }
        return back_to_kernels(g, &sum);
    }
    let parts = (tiles.lines * tiles.across / 256).clamp(1, 8).min(tiles.lines);
    let part = tiles.lines.div_ceil(parts);
    let mut sums = Buffer::zeros(parts * size);
    sums.par_chunks_mut(size).enumerate().for_each(|(index, sums)| {
        let mine = (index * part).min(tiles.lines)..((index + 1) * part).min(tiles.lines);
        for lines in tiles.ranges(mine, (16_384 / (channels + filters)).clamp(64, 512)) {
            let count = lines.len() * tiles.across;
            with_scratch(PLACES * count * (channels + filters), |scratch| {
                let (input, result) = scratch.split_at_mut(PLACES * count * channels);
                input.chunks_mut(4 * count * channels).enumerate().for_each(|(row, input)| {
                    transform_images(g, tiles, images, lines.clone(), row, input);
                });
                result.chunks_mut(4 * count * filters).enumerate().for_each(|(row, result)| {
                    transform_gradient(g, tiles, gradient, lines.clone(), row, result);
                });
                let factors = result.chunks(count * filters).zip(input.chunks(count * channels));
                for (target, (gradient, input)) in sums.chunks_mut(filters * channels).zip(factors) {
                    product(target, gradient, input, Store::Add);
                }
            });
        }
    });
    back_to_kernels(g, &sum_of_parts(&sums, size))
}

/// `G' u G` of each filter and channel: from `[16, filters, channels]` to `[filters, 3, 3, channels]`.
fn back_to_kernels(g: &Geometry, sum: &[f32]) -> Vec<f32> {
    let (channels, size) = (g.channels, g.filters * g.channels);
    let mut result = vec![0.0; 9 * size];
    result.par_chunks_mut(9 * channels).enumerate().for_each(|(filter, kernel)| {
        for (tap, target) in kernel.chunks_mut(channels).enumerate() {
            for place in 0..PLACES {
                let factor = G[place / 4][tap / 3] * G[place % 4][tap % 3];
                if factor != 0.0 {
                    add_scaled(target, &sum[place * size + filter * channels..][..channels], factor);
                }
            }
        }
    });
    result
}

/// Four rows of places of `values` values each, made in parallel by `make(row, [4, ..])`.
fn transformed(values: usize, make: impl Fn(usize, &mut [f32]) + Sync) -> Buffer {
    let mut result = Buffer::stale(PLACES * values);
    result.par_chunks_mut(4 * values).enumerate().for_each(|(row, result)| make(row, result));
    result
}

/// How the output is covered by tiles of 2x2: `lines` of `across` tiles, `down` of them in an image.
#[derive(Clone, Copy)]
struct Tiles {
    down: usize,
    across: usize,
    lines: usize,
}

/// Lines of tiles, and their part of the output.
type Block<'a> = (Range<usize>, &'a mut [f32]);

impl Tiles {
    fn of(g: &Geometry) -> Self {
        let [down, across] = g.output.map(|size| size.div_ceil(2));
        Self { down, across, lines: g.batch * down }
    }

    /// Parts of `lines` with about `tiles` tiles each.
    fn ranges(self, lines: Range<usize>, tiles: usize) -> impl Iterator<Item = Range<usize>> {
        let step = (tiles / self.across).max(1);
        lines.clone().step_by(step).map(move |start| start..(start + step).min(lines.end))
    }

    /// The whole output in blocks of about `tiles` tiles.
    fn blocks<'a>(self, g: &Geometry, output: &'a mut [f32], tiles: usize) -> Vec<Block<'a>> {
        self.split(g, 0..self.lines, output, tiles)
    }

    /// The output of `lines` in blocks of about `tiles` tiles.
    fn split<'a>(
        self,
        g: &Geometry,
        lines: Range<usize>,
        mut output: &'a mut [f32],
        tiles: usize,
    ) -> Vec<Block<'a>> {
        let mut blocks = Vec::new();
        for range in self.ranges(lines, tiles) {
            let values = (self.row(g, range.end) - self.row(g, range.start)) * g.output[1] * g.filters;
            let (block, rest) = output.split_at_mut(values);
            blocks.push((range, block));
            output = rest;
        }
        blocks
    }

    /// The row of the batch's output where a line of tiles begins.
    fn row(self, g: &Geometry, line: usize) -> usize {
        line / self.down * g.output[0] + line % self.down * 2
    }

    /// Transforms the products of the tiles of `lines` back and writes or adds them to their part of the output. They are
    /// the lines `inside` of those that `products` `[16, tiles, filters]` has.
    fn write(
        self,
        g: &Geometry,
        products: &[f32],
        inside: Range<usize>,
        lines: Range<usize>,
        output: &mut [f32],
        store: Store,
    ) {
        let filters = g.filters;
        let width = g.output[1] * filters;
        let start = self.row(g, lines.start);
        let mut beyond = vec![0.0; 2 * filters.max(width)];
        for (inside, line) in inside.zip(lines) {
            let (_, output) = output.split_at_mut((self.row(g, line) - start) * width);
            let (beyond_row, beyond_column) = beyond.split_at_mut(filters.max(width));
            let (upper, rest) = output.split_at_mut(width);
            let has_lower = line % self.down * 2 + 1 < g.output[0];
            let lower = if has_lower { &mut rest[..width] } else { &mut beyond_row[..width] };
            let first = inside * self.across * filters;
            finish_line(products, first, filters, upper, lower, beyond_column, store == Store::Add);
        }
    }
}

vectorised! {
    /// `A' m A` for each filter of the tiles of a line, whose products begin at `first` in each place: two rows of pixels.
    /// `beyond` takes what lies right of the border.
    fn finish_line(
        products: &[f32],
        first: usize,
        filters: usize,
        upper: &mut [f32],
        lower: &mut [f32],
        beyond: &mut [f32],
        add: bool,
    ) {
        let size = products.len() / PLACES;
        let pairs = upper.chunks_mut(2 * filters).zip(lower.chunks_mut(2 * filters));
        for (tile, (upper, lower)) in pairs.enumerate() {
            let tile = &products[first + tile * filters..];
            let (upper, upper_right) = upper.split_at_mut(filters);
            let (lower, lower_right) = lower.split_at_mut(filters);
            let (one, other) = beyond.split_at_mut(filters);
            let (upper_right, lower_right) =
                if upper_right.is_empty() { (one, other) } else { (upper_right, lower_right) };
            for_lanes!(filters, |from, width| {
                let (mut above, mut below) = ([[0f32; LANES]; 4], [[0f32; LANES]; 4]);
                for column in 0..4 {
                    let a = &tile[column * size + from..][..width];
                    let b = &tile[(4 + column) * size + from..][..width];
                    let c = &tile[(8 + column) * size + from..][..width];
                    let d = &tile[(12 + column) * size + from..][..width];
                    for lane in 0..width {
                        above[column][lane] = a[lane] + b[lane] + c[lane];
                        below[column][lane] = b[lane] - c[lane] - d[lane];
                    }
                }
                let part = from..from + width;
                finish_row(&above, &mut upper[part.clone()], &mut upper_right[part.clone()], add);
                finish_row(&below, &mut lower[part.clone()], &mut lower_right[part], add);
            });
        }
    }

    /// One row of `B'` along the columns: the four places of each tile from two rows of pixels.
    fn transform_line(above: &mut [f32], below: &[f32], sign: f32, channels: usize, places: [&mut [f32]; 4]) {
        above.iter_mut().zip(below).for_each(|(above, below)| *above += sign * below);
        let [zeroth, first, second, third] = places;
        for tile in 0..zeroth.len() / channels {
            let pixels = &above[2 * tile * channels..][..4 * channels];
            for_lanes!(channels, |from, width| {
                let a = &pixels[from..][..width];
                let b = &pixels[channels + from..][..width];
                let c = &pixels[2 * channels + from..][..width];
                let d = &pixels[3 * channels + from..][..width];
                let mut values = [[0f32; LANES]; 4];
                for lane in 0..width {
                    values[0][lane] = a[lane] - c[lane];
                    values[1][lane] = b[lane] + c[lane];
                    values[2][lane] = c[lane] - b[lane];
                    values[3][lane] = b[lane] - d[lane];
                }
                let at = tile * channels + from;
                zeroth[at..][..width].copy_from_slice(&values[0][..width]);
                first[at..][..width].copy_from_slice(&values[1][..width]);
                second[at..][..width].copy_from_slice(&values[2][..width]);
                third[at..][..width].copy_from_slice(&values[3][..width]);
            });
        }
    }

    /// One row of `A` along the columns: the four places of each tile from a row of pixels.
    fn transform_gradient_line(pixels: &[f32], filters: usize, places: [&mut [f32]; 4]) {
        let [zeroth, first, second, third] = places;
        for tile in 0..zeroth.len() / filters {
            let pixels = &pixels[2 * tile * filters..][..2 * filters];
            for_lanes!(filters, |from, width| {
                let (a, b) = (&pixels[from..][..width], &pixels[filters + from..][..width]);
                let mut values = [[0f32; LANES]; 3];
                for lane in 0..width {
                    values[0][lane] = a[lane] + b[lane];
                    values[1][lane] = a[lane] - b[lane];
                    values[2][lane] = -b[lane];
                }
                let at = tile * filters + from;
                zeroth[at..][..width].copy_from_slice(a);
                first[at..][..width].copy_from_slice(&values[0][..width]);
                second[at..][..width].copy_from_slice(&values[1][..width]);
                third[at..][..width].copy_from_slice(&values[2][..width]);
            });
        }
    }

    /// `sum = upper * above + lower * below`.
    fn mix(sum: &mut [f32], above: &[f32], below: &[f32], upper: f32, lower: f32) {
        for ((sum, above), below) in sum.iter_mut().zip(above).zip(below) {
            *sum = upper * above + lower * below;
        }
    }

    /// The sum of three with their factors.
    fn weigh(sum: &mut [f32], values: [&[f32]; 3], factors: [f32; 3]) {
        let [a, b, c] = values;
        for (((sum, a), b), c) in sum.iter_mut().zip(a).zip(b).zip(c) {
            *sum = factors[0] * a + factors[1] * b + factors[2] * c;
        }
    }

    /// `sum += factor * values`.
    fn add_scaled(sum: &mut [f32], values: &[f32], factor: f32) {
        sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += factor * value);
    }
}

#[inline(always)]
fn finish_row([a, b, c, d]: &[[f32; LANES]; 4], left: &mut [f32], right: &mut [f32], add: bool) {
    let mut values = [[0f32; LANES]; 2];
    for lane in 0..LANES {
        values[0][lane] = a[lane] + b[lane] + c[lane];
        values[1][lane] = b[lane] - c[lane] - d[lane];
    }
    if add {
        left.iter_mut().zip(&values[0]).for_each(|(sum, value)| *sum += value);
        right.iter_mut().zip(&values[1]).for_each(|(sum, value)| *sum += value);
    } else {
        left.copy_from_slice(&values[0][..left.len()]);
        right.copy_from_slice(&values[1][..right.len()]);
    }
}

/// Row `row` of `B' d B` for the tiles of some lines: `[4, tiles, channels]`.
fn transform_images(
    g: &Geometry,
    tiles: Tiles,
    images: &Pixels,
    lines: Range<usize>,
    row: usize,
    result: &mut [f32],
) {
    // Row i of B' takes two rows of the window, the second one with its sign.
    let (first, second, sign) = [(0, 2, -1.0), (1, 2, 1.0), (2, 1, -1.0), (1, 3, -1.0)][row];
    let channels = g.channels;
    let length = (2 * tiles.across + 2) * channels;
    let mut window = vec![0.0; 2 * length];
    let (above, below) = window.split_at_mut(length);
    let count = lines.len() * tiles.across * channels;
    for (index, line) in lines.enumerate() {
        let (image, top) = (line / tiles.down, line % tiles.down * 2);
        read_row(g, images, image, top + first, above);
        read_row(g, images, image, top + second, below);
        let mut places = result.chunks_mut(count).map(|place| {
            let line = tiles.across * channels;
            &mut place[index * line..(index + 1) * line]
        });
        let places = std::array::from_fn(|_| places.next().unwrap_or_default());
        transform_line(above, below, sign, channels, places);
    }
}

/// Row `y` of an image with its padding, zeros beyond the border, as wide as the tiles need.
fn read_row(g: &Geometry, images: &Pixels, image: usize, y: usize, target: &mut [f32]) {
    let [height, width] = g.input;
    if y < g.padding[0] || y - g.padding[0] >= height {
        return target.fill(0.0);
    }
    let left = (g.padding[1] * g.channels).min(target.len());
    let count = (width * g.channels).min(target.len() - left);
    let start = (image * height + y - g.padding[0]) * width * g.channels;
    target[..left].fill(0.0);
    images.read(start, &mut target[left..left + count]);
    target[left + count..].fill(0.0);
}

/// Row `row` of `A y A'` for the tiles of some lines: `[4, tiles, filters]`.
fn transform_gradient(
    g: &Geometry,
    tiles: Tiles,
    gradient: &[f32],
    lines: Range<usize>,
    row: usize,
    result: &mut [f32],
) {
    let filters = g.filters;
    let width = g.output[1] * filters;
    let length = 2 * tiles.across * filters;
    let mut sum = vec![0.0; length];
    let count = lines.len() * tiles.across * filters;
    // Row i of A takes the two rows of the tile with these factors.
    let [upper, lower] = [[1.0, 0.0], [1.0, 1.0], [1.0, -1.0], [0.0, -1.0]][row];
    for (index, line) in lines.enumerate() {
        let top = tiles.row(g, line);
        let has_lower = line % tiles.down * 2 + 1 < g.output[0];
        let lower = if has_lower { lower } else { 0.0 };
        let above = &gradient[top * width..][..width];
        let below = if has_lower { &gradient[(top + 1) * width..][..width] } else { above };
        mix(&mut sum, above, below, upper, lower);
        let mut places = result.chunks_mut(count).map(|place| {
            let line = tiles.across * filters;
            &mut place[index * line..(index + 1) * line]
        });
        let places = std::array::from_fn(|_| places.next().unwrap_or_default());
        transform_gradient_line(&sum, filters, places);
    }
}

#[cfg(test)]
mod tests {
    use super::super::conv;
    use super::*;
    use std::sync::Arc;

    fn noise(count: usize, seed: u64) -> Buffer {
        use rand::Rng;
        let mut stream = crate::seed::stream(seed, "winograd", &[]);
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
        ];
        for ([batch, height, width], channels, filters, padding) in cases {
            let dims = [batch, height, width, channels];
            let g = Geometry::new(&dims, &[filters, 3, 3, channels], 1, padding).unwrap();
            let what = format!("{g:?}");
            assert!(fits(&g), "{what}");
            let images = Pixels { buffer: Arc::new(noise(dims.iter().product(), 0)), affine: None };
            let weight = noise(9 * filters * channels, 1);

            let mut expected = Buffer::zeros(g.rows() * filters);
            let columns = transposed(&weight, g.patch());
            conv::convolve(&g, &images, &columns, &mut expected, Store::Replace);
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
            conv::convolve(&turned, &gradient, &conv::turn(&g, &weight), &mut expected, Store::Replace);
            let mut found = Buffer::stale(batch * g.image());
            convolve(&turned, &gradient, &turned_weight(&g, &weight), &mut found, Store::Replace);
            assert_close(&found, &expected, &what);
        }
    }
}
