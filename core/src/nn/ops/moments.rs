//! Passes over the columns of channels-last values: sums, moments and scaling, in parallel.

use super::vectorised;
use rayon::prelude::*;

/// Mean and inverse standard deviation of each channel in each group, `[groups, channels]`.
#[derive(Debug, Clone)]
pub(super) struct Moments {
    pub(super) mean: Vec<f32>,
    /// Of the biased variance.
    pub(super) variance: Vec<f32>,
    pub(super) inverse_deviation: Vec<f32>,
}

/// How rows of channels are cut: into groups, and each group into chunks that fit the first-level cache.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    pub(super) channels: usize,
    pub(super) groups: usize,
    /// Rows of a group.
    pub(super) group: usize,
}

impl Rows {
    /// Values of a group.
    pub(super) fn group_values(&self) -> usize {
        self.group * self.channels
    }

    /// Values of a chunk.
    pub(super) fn chunk_values(&self) -> usize {
        (8192 / self.channels).max(1) * self.channels
    }

    /// For each group and chunk, `width` sums a channel by `sum(start of the chunk's values, length,
    /// sums)`, which are then combined in order: `combine(group, chunk's rows, sums)`.
    fn reduce(
        &self,
        width: usize,
        sum: impl Fn(usize, usize, &mut [f32]) + Sync,
        mut combine: impl FnMut(usize, usize, &[f32]),
    ) {
        let (group, chunk) = (self.group_values(), self.chunk_values());
        let chunks = group.div_ceil(chunk);
        let width = width * self.channels;
        let length = |index: usize| chunk.min(group - (index % chunks) * chunk);
        let mut sums = vec![0.0; self.groups * chunks * width];
        sums.par_chunks_mut(width).enumerate().for_each(|(index, sums)| {
            let start = (index / chunks) * group + (index % chunks) * chunk;
            sum(start, length(index), sums);
        });
        for (index, sums) in sums.chunks(width).enumerate() {
            combine(index / chunks, length(index) / self.channels, sums);
        }
    }
}

/// The moments of each group's rows, with Chan's update over chunks (Chan, Golub, LeVeque 1983): no
/// cancellation even where the mean is far from zero.
pub(super) fn moments(rows: Rows, values: &[f32], epsilon: f64) -> Moments {
    let channels = rows.channels;
    let mut count = vec![0usize; rows.groups];
    let mut mean = vec![0f64; rows.groups * channels];
    let mut square = vec![0f64; rows.groups * channels];
    rows.reduce(
        2,
        |start, length, sums| vectorised(|| chunk_moments(channels, &values[start..start + length], sums)),
        |group, more, sums| {
            let (before, after) = (count[group] as f64, (count[group] + more) as f64);
            count[group] += more;
            let (means, squares) = sums.split_at(channels);
            for channel in 0..channels {
                let at = group * channels + channel;
                let difference = f64::from(means[channel]) - mean[at];
                mean[at] += difference * more as f64 / after;
                square[at] +=
                    f64::from(squares[channel]) + difference * difference * before * more as f64 / after;
            }
        },
    );
    let variance = square.iter().map(|square| square / rows.group as f64);
    Moments {
        inverse_deviation: variance
            .clone()
            .map(|variance| (1.0 / (variance + epsilon).sqrt()) as f32)
            .collect(),
        variance: variance.map(|variance| variance as f32).collect(),
        mean: mean.into_iter().map(|mean| mean as f32).collect(),
    }
}

/// The gradient that reaches the normalised values: `gradient`, or zero where the output was cut off by
/// ReLU. Sums over each group of it, and of it times `x - mean`: `[groups, channels]` each.
pub(super) fn gradient_sums(
    rows: Rows,
    x: &[f32],
    gradient: &[f32],
    output: Option<&[f32]>,
    mean: &[f32],
) -> (Vec<f64>, Vec<f64>) {
    let channels = rows.channels;
    let mut plain = vec![0f64; rows.groups * channels];
    let mut moment = vec![0f64; rows.groups * channels];
    rows.reduce(
        2,
        |start, length, sums| {
            let mean = &mean[start / rows.group_values() * channels..][..channels];
            let range = start..start + length;
            let (x, gradient) = (&x[range.clone()], &gradient[range.clone()]);
            match output {
                Some(output) => vectorised(|| masked_sums(x, gradient, &output[range], mean, sums)),
                None => vectorised(|| plain_sums(x, gradient, mean, sums)),
            }
        },
        |group, _, sums| {
            let (first, second) = sums.split_at(channels);
            for channel in 0..channels {
                plain[group * channels + channel] += f64::from(first[channel]);
                moment[group * channels + channel] += f64::from(second[channel]);
            }
        },
    );
    (plain, moment)
}

/// Channels handled at once: a few vectors, so that their sums stay in registers.
const LANES: usize = 16;

/// Calls `$body` with `$from` and `$width`: blocks of [`LANES`] channels with a width the compiler knows,
/// then the rest.
macro_rules! for_lanes {
    ($channels:expr, |$from:ident, $width:ident| $body:expr) => {
        let channels = $channels;
        let whole = channels / LANES * LANES;
        for $from in (0..whole).step_by(LANES) {
            const WIDTH: usize = LANES;
            let $width = WIDTH;
            $body
        }
        if whole < channels {
            let ($from, $width) = (whole, channels - whole);
            $body
        }
    };
}

#[inline(always)]
fn chunk_moments(channels: usize, values: &[f32], sums: &mut [f32]) {
    let (means, squares) = sums.split_at_mut(channels);
    let scale = channels as f32 / values.len() as f32;
    for_lanes!(channels, |from, width| {
        let mut sum = [0f32; LANES];
        for row in values.chunks_exact(channels) {
            for (sum, value) in sum[..width].iter_mut().zip(&row[from..from + width]) {
                *sum += value;
            }
        }
        let mean = sum.map(|sum| sum * scale);
        let mut square = [0f32; LANES];
        for row in values.chunks_exact(channels) {
            let row = &row[from..from + width];
            for ((square, value), mean) in square[..width].iter_mut().zip(row).zip(&mean[..width]) {
                *square += (value - mean) * (value - mean);
            }
        }
        means[from..from + width].copy_from_slice(&mean[..width]);
        squares[from..from + width].copy_from_slice(&square[..width]);
    });
}

#[inline(always)]
fn masked_sums(x: &[f32], gradient: &[f32], output: &[f32], mean: &[f32], sums: &mut [f32]) {
    let channels = mean.len();
    let (plain, moment) = sums.split_at_mut(channels);
    for_lanes!(channels, |from, width| {
        let mut first = [0f32; LANES];
        let mut second = [0f32; LANES];
        let mean = &mean[from..from + width];
        for start in (from..x.len()).step_by(channels) {
            let (x, gradient) = (&x[start..start + width], &gradient[start..start + width]);
            let output = &output[start..start + width];
            for lane in 0..width {
                let passed = if output[lane] > 0.0 { gradient[lane] } else { 0.0 };
                first[lane] += passed;
                second[lane] += passed * (x[lane] - mean[lane]);
            }
        }
        plain[from..from + width].copy_from_slice(&first[..width]);
        moment[from..from + width].copy_from_slice(&second[..width]);
    });
}

#[inline(always)]
fn plain_sums(x: &[f32], gradient: &[f32], mean: &[f32], sums: &mut [f32]) {
    let channels = mean.len();
    let (plain, moment) = sums.split_at_mut(channels);
    for_lanes!(channels, |from, width| {
        let mut first = [0f32; LANES];
        let mut second = [0f32; LANES];
        let mean = &mean[from..from + width];
        for start in (from..x.len()).step_by(channels) {
            let (x, gradient) = (&x[start..start + width], &gradient[start..start + width]);
            for lane in 0..width {
                first[lane] += gradient[lane];
                second[lane] += gradient[lane] * (x[lane] - mean[lane]);
            }
        }
        plain[from..from + width].copy_from_slice(&first[..width]);
        moment[from..from + width].copy_from_slice(&second[..width]);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_keep_their_digits_where_the_mean_is_large() {
        // Deviations of 1 around 10,000: a sum of squares in f32 would lose the variance altogether.
        let rows = Rows { channels: 3, groups: 2, group: 10_000 };
        let value = |index: usize| 1e4 + if (index / 3).is_multiple_of(2) { 1.0 } else { -1.0 };
        let values: Vec<f32> = (0..rows.groups * rows.group_values()).map(value).collect();
        let found = moments(rows, &values, 0.0);
        for at in 0..6 {
            assert!((found.mean[at] - 1e4).abs() < 1e-2, "{found:?}");
            assert!((found.variance[at] - 1.0).abs() < 1e-3, "{found:?}");
        }
    }
}
