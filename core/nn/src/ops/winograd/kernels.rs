//! Winograd's transforms of kernels, `G w G'`, and of the sums that their gradient is made of, `G' u G`.

use super::places::{PLACES, Places, parts, stride};
use crate::ops::buffer::Buffer;
use crate::ops::patches::Geometry;
use crate::ops::{LANES, for_lanes, vectorised};
use rayon::prelude::*;

/// Values of a 3x3 kernel.
const TAPS: usize = 9;

/// The transformed weight `[16, channels, filters]` of a convolution with `weight` `[filters, 3, 3, channels]`.
pub(in super::super) fn forward_weight(g: &Geometry, weight: &[f32]) -> Buffer {
    let mut result = Buffer::stale(PLACES * stride(g.channels * g.filters));
    let tasks = parts(&mut result, g.channels * g.filters, LANES * g.filters).into_par_iter().enumerate();
    tasks.for_each(|(index, mut places)| {
        transform_across(weight, [g.channels, g.filters], index * LANES, &mut places);
    });
    result
}

/// The transformed weight `[16, filters, channels]` of the convolution that takes the gradient of the output of `g` to that
/// of its images.
pub(in super::super) fn turned_weight(g: &Geometry, weight: &[f32]) -> Buffer {
    let mut result = Buffer::stale(PLACES * stride(g.channels * g.filters));
    let kernels = weight.par_chunks(TAPS * LANES * g.channels);
    parts(&mut result, g.channels * g.filters, LANES * g.channels).into_par_iter().zip(kernels).for_each(
        |(mut places, kernels)| {
            transform_turned(kernels, g.channels, &mut places);
        },
    );
    result
}

/// `G' u G` of each filter and channel, of the sum of what several parts of the images gave: from
/// `[parts, 16, filters, channels]` to `[filters, 3, 3, channels]`.
pub(super) fn back_to_kernels(g: &Geometry, sums: &[f32]) -> Vec<f32> {
    let channels = g.channels;
    let mut result = vec![0.0; TAPS * g.filters * channels];
    let tasks = result.par_chunks_mut(LANES * TAPS * channels).enumerate();
    tasks.for_each(|(index, kernels)| {
        transform_back(sums, [g.filters, channels], index * LANES, kernels);
    });
    result
}

vectorised! {
    /// `G w G'` for some channels from `first` on, as many as fit `places` `[channels, filters]` each: the filters of
    /// `[filters, 3, 3, channels]` become the columns, by blocks that stay in the first-level cache.
    fn transform_across(weight: &[f32], sizes: [usize; 2], first: usize, places: &mut Places) {
        let [channels, filters] = sizes;
        let rows = places[0].len() / filters;
        let mut block = [[[0f32; LANES]; LANES]; TAPS];
        for_lanes!(filters, |from, width| {
            for filter in 0..width {
                for (tap, block) in block.iter_mut().enumerate() {
                    let source = &weight[((from + filter) * TAPS + tap) * channels + first..][..rows];
                    for (values, value) in block.iter_mut().zip(source) {
                        values[filter] = *value;
                    }
                }
            }
            for row in 0..rows {
                let mut taps = [[0f32; LANES]; TAPS];
                for tap in 0..TAPS {
                    taps[tap] = block[tap][row];
                }
                let mut values = [[0f32; LANES]; PLACES];
                transform(&taps, &mut values);
                for (place, values) in places.iter_mut().zip(&values) {
                    place[row * filters + from..][..width].copy_from_slice(&values[..width]);
                }
            }
        });
    }

    /// `G w G'` of kernels `[.., 3, 3, channels]` turned round.
    fn transform_turned(kernels: &[f32], channels: usize, places: &mut Places) {
        for (row, kernel) in kernels.chunks_exact(TAPS * channels).enumerate() {
            for_lanes!(channels, |from, width| {
                let mut taps = [[0f32; LANES]; TAPS];
                for tap in 0..TAPS {
                    let source = &kernel[(TAPS - 1 - tap) * channels + from..][..width];
                    taps[tap][..width].copy_from_slice(source);
                }
                let mut values = [[0f32; LANES]; PLACES];
                transform(&taps, &mut values);
                for (place, values) in places.iter_mut().zip(&values) {
                    place[row * channels + from..][..width].copy_from_slice(&values[..width]);
                }
            });
        }
    }

    /// `G' u G` for some filters from `first` on, as many as `kernels` has.
    fn transform_back(sums: &[f32], sizes: [usize; 2], first: usize, kernels: &mut [f32]) {
        let [filters, channels] = sizes;
        let size = stride(filters * channels);
        for (row, kernel) in kernels.chunks_exact_mut(TAPS * channels).enumerate() {
            for_lanes!(channels, |from, width| {
                let mut places = [[0f32; LANES]; PLACES];
                for sums in sums.chunks_exact(PLACES * size) {
                    for (place, values) in places.iter_mut().enumerate() {
                        let source = &sums[place * size + (first + row) * channels + from..][..width];
                        values[..width].iter_mut().zip(source).for_each(|(sum, value)| *sum += value);
                    }
                }
                let mut lines = [[0f32; LANES]; 12];
                for column in 0..4 {
                    for lane in 0..LANES {
                        let half = [places[4 + column][lane] * 0.5, places[8 + column][lane] * 0.5];
                        lines[column][lane] = places[column][lane] + half[0] + half[1];
                        lines[4 + column][lane] = half[0] - half[1];
                        lines[8 + column][lane] = half[0] + half[1] + places[12 + column][lane];
                    }
                }
                let mut taps = [[0f32; LANES]; TAPS];
                for line in 0..3 {
                    let values = &lines[4 * line..][..4];
                    for lane in 0..LANES {
                        let half = [values[1][lane] * 0.5, values[2][lane] * 0.5];
                        taps[3 * line][lane] = values[0][lane] + half[0] + half[1];
                        taps[3 * line + 1][lane] = half[0] - half[1];
                        taps[3 * line + 2][lane] = half[0] + half[1] + values[3][lane];
                    }
                }
                for (tap, values) in taps.iter().enumerate() {
                    kernel[tap * channels + from..][..width].copy_from_slice(&values[..width]);
                }
            });
        }
    }
}

/// `G w G'`, where G is `1 0 0`, `1/2 1/2 1/2`, `1/2 -1/2 1/2`, `0 0 1`.
#[inline(always)]
fn transform(taps: &[[f32; LANES]; TAPS], places: &mut [[f32; LANES]; PLACES]) {
    let mut lines = [[0f32; LANES]; 12];
    for column in 0..3 {
        for lane in 0..LANES {
            let (a, b, c) = (taps[column][lane], taps[3 + column][lane], taps[6 + column][lane]);
            lines[column][lane] = a;
            lines[3 + column][lane] = (a + b + c) * 0.5;
            lines[6 + column][lane] = (a - b + c) * 0.5;
            lines[9 + column][lane] = c;
        }
    }
    for line in 0..4 {
        for lane in 0..LANES {
            let (a, b, c) = (lines[3 * line][lane], lines[3 * line + 1][lane], lines[3 * line + 2][lane]);
            places[4 * line][lane] = a;
            places[4 * line + 1][lane] = (a + b + c) * 0.5;
            places[4 * line + 2][lane] = (a - b + c) * 0.5;
            places[4 * line + 3][lane] = c;
        }
    }
}
