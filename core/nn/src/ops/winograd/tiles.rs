//! The tiles of a map, and Winograd's transforms of them: `B' d B` of the input, `A y A'` of the output's gradient and
//! `A' m A` of the products.

use super::places::{PLACES, Places};
use crate::ops::map::Pixels;
use crate::ops::patches::Geometry;
use crate::ops::product::Store;
use crate::ops::{LANES, for_lanes, vectorised};
use std::ops::Range;

/// The tiles of 2x2 that cover the output: `lines` of `across` tiles, `down` of them in an image.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    down: usize,
    pub(super) across: usize,
    pub(super) lines: usize,
}

/// Lines of tiles, and their part of the output.
pub(super) type Block<'a> = (Range<usize>, &'a mut [f32]);

impl Tiles {
    pub(super) fn of(g: &Geometry) -> Self {
        let [down, across] = g.output.map(|size| size.div_ceil(2));
        Self { down, across, lines: g.batch * down }
    }

    /// Parts of `lines` with about `tiles` tiles each.
    pub(super) fn ranges(self, lines: Range<usize>, tiles: usize) -> impl Iterator<Item = Range<usize>> {
        let step = (tiles / self.across).max(1);
        lines.clone().step_by(step).map(move |start| start..(start + step).min(lines.end))
    }

    /// The whole output in blocks of about `tiles` tiles.
    pub(super) fn blocks<'a>(self, g: &Geometry, output: &'a mut [f32], tiles: usize) -> Vec<Block<'a>> {
        self.split(g, 0..self.lines, output, tiles)
    }

    /// The output of `lines` in blocks of about `tiles` tiles.
    pub(super) fn split<'a>(
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

    /// A line of tiles.
    pub(super) fn line(self, g: &Geometry, index: usize) -> Line<'_> {
        Line { g, tiles: self, index }
    }

    /// Transforms the products of the tiles of a block back and writes or adds them to its part of the output. They are
    /// the lines from `first` on of those that `products` `[16, tiles, filters]` has.
    pub(super) fn write(
        self,
        g: &Geometry,
        products: &[f32],
        first: usize,
        (lines, output): Block<'_>,
        store: Store,
    ) {
        let filters = g.filters;
        let width = g.output[1] * filters;
        let start = self.row(g, lines.start);
        let mut beyond = vec![0.0; width + 2 * filters];
        for (inside, line) in (first..).zip(lines) {
            let (_, output) = output.split_at_mut((self.row(g, line) - start) * width);
            let (beyond_row, beyond_column) = beyond.split_at_mut(width);
            let (upper, rest) = output.split_at_mut(width);
            let has_lower = line % self.down * 2 + 1 < g.output[0];
            let lower = if has_lower { &mut rest[..width] } else { &mut beyond_row[..width] };
            let products = Products { values: products, first: inside * self.across * filters, filters };
            finish_line(products, upper, lower, beyond_column, store == Store::Add);
        }
    }
}

/// The products of a line of tiles.
#[derive(Clone, Copy)]
struct Products<'a> {
    /// `[16, tiles, filters]`, of more tiles than the line's.
    values: &'a [f32],
    /// The place of the line's first value.
    first: usize,
    filters: usize,
}

/// A line of tiles of a map.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    g: &'a Geometry,
    tiles: Tiles,
    index: usize,
}

impl Line<'_> {
    /// `B' d B`: `[tiles, channels]` for each place. The window, of [`input_window`] values, takes the pixels under the line.
    pub(super) fn transform_images(self, images: &Pixels, window: &mut [f32], places: &mut Places) {
        let Self { g, tiles, index } = self;
        let (image, top) = (index / tiles.down, index % tiles.down * 2);
        for (row, pixels) in window.chunks_exact_mut((2 * tiles.across + 2) * g.channels).enumerate() {
            read_row(g, images, image, top + row, pixels);
        }
        transform_input(window, g.channels, places);
    }

    /// `A y A'`: `[tiles, filters]` for each place. The window, of [`gradient_window`] values, takes the two rows of the
    /// gradient, with zeros beyond the border.
    pub(super) fn transform_gradient(self, gradient: &[f32], window: &mut [f32], places: &mut Places) {
        let Self { g, tiles, index } = self;
        let width = g.output[1] * g.filters;
        let top = tiles.row(g, index);
        let inside = (g.output[0] - index % tiles.down * 2).min(2);
        for (row, pixels) in window.chunks_exact_mut(2 * tiles.across * g.filters).enumerate() {
            let count = if row < inside { width } else { 0 };
            pixels[..count].copy_from_slice(&gradient[(top + row.min(inside - 1)) * width..][..count]);
            pixels[count..].fill(0.0);
        }
        transform_output_gradient(window, g.filters, places);
    }
}

/// Values of the window that [`Line::transform_images`] works in.
pub(super) fn input_window(g: &Geometry, tiles: Tiles) -> usize {
    4 * (2 * tiles.across + 2) * g.channels
}

/// Values of the window that [`Line::transform_gradient`] works in.
pub(super) fn gradient_window(g: &Geometry, tiles: Tiles) -> usize {
    4 * tiles.across * g.filters
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

vectorised! {
    /// `B' d B` for the tiles whose four rows of pixels lie in the window.
    fn transform_input(window: &[f32], channels: usize, places: &mut Places) {
        let length = window.len() / 4;
        for tile in 0..places[0].len() / channels {
            for_lanes!(channels, |from, width| {
                let (mut first, mut second) = ([[0f32; LANES]; 4], [[0f32; LANES]; 4]);
                let (mut third, mut fourth) = ([[0f32; LANES]; 4], [[0f32; LANES]; 4]);
                for column in 0..4 {
                    let at = (2 * tile + column) * channels + from;
                    let (a, b) = (&window[at..][..width], &window[length + at..][..width]);
                    let (c, d) = (&window[2 * length + at..][..width], &window[3 * length + at..][..width]);
                    for lane in 0..width {
                        first[column][lane] = a[lane] - c[lane];
                        second[column][lane] = b[lane] + c[lane];
                        third[column][lane] = c[lane] - b[lane];
                        fourth[column][lane] = b[lane] - d[lane];
                    }
                }
                let start = tile * channels + from;
                let part = start..start + width;
                transform_row(&first, &mut places[..4], part.clone());
                transform_row(&second, &mut places[4..8], part.clone());
                transform_row(&third, &mut places[8..12], part.clone());
                transform_row(&fourth, &mut places[12..], part);
            });
        }
    }

    /// `A y A'` for the tiles whose two rows of pixels lie in the window.
    fn transform_output_gradient(window: &[f32], filters: usize, places: &mut Places) {
        let length = window.len() / 2;
        for tile in 0..places[0].len() / filters {
            for_lanes!(filters, |from, width| {
                let mut lines = [[0f32; LANES]; 8];
                for column in 0..2 {
                    let at = (2 * tile + column) * filters + from;
                    let (a, b) = (&window[at..][..width], &window[length + at..][..width]);
                    for lane in 0..width {
                        lines[column][lane] = a[lane];
                        lines[2 + column][lane] = a[lane] + b[lane];
                        lines[4 + column][lane] = a[lane] - b[lane];
                        lines[6 + column][lane] = -b[lane];
                    }
                }
                let mut values = [[0f32; LANES]; PLACES];
                for line in 0..4 {
                    for lane in 0..LANES {
                        let (a, b) = (lines[2 * line][lane], lines[2 * line + 1][lane]);
                        values[4 * line][lane] = a;
                        values[4 * line + 1][lane] = a + b;
                        values[4 * line + 2][lane] = a - b;
                        values[4 * line + 3][lane] = -b;
                    }
                }
                for (place, values) in places.iter_mut().zip(&values) {
                    place[tile * filters + from..][..width].copy_from_slice(&values[..width]);
                }
            });
        }
    }

    /// `A' m A` for each filter of the tiles of a line: two rows of pixels. `beyond` takes what lies right of the border.
    fn finish_line(line: Products, upper: &mut [f32], lower: &mut [f32], beyond: &mut [f32], add: bool) {
        let (products, first, filters) = (line.values, line.first, line.filters);
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
}

/// A row of `B' d` times `B`, to its four places.
#[inline(always)]
fn transform_row([a, b, c, d]: &[[f32; LANES]; 4], places: &mut [&mut [f32]], part: Range<usize>) {
    let mut values = [[0f32; LANES]; 4];
    for lane in 0..LANES {
        values[0][lane] = a[lane] - c[lane];
        values[1][lane] = b[lane] + c[lane];
        values[2][lane] = c[lane] - b[lane];
        values[3][lane] = b[lane] - d[lane];
    }
    for (place, values) in places.iter_mut().zip(&values) {
        place[part.clone()].copy_from_slice(&values[..part.len()]);
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
