//! Passes over the columns of channels-last values: sums, moments and scaling, in parallel.

use super::rows::Rows;
use super::scaling::Affine;
use super::{LANES, for_lanes, vectorised};

/// Mean and inverse standard deviation of each channel in each group, `[groups, channels]`.
#[derive(Debug, Clone)]
pub(super) struct Moments {
    /// Rows of a group that they are of.
    pub(super) count: usize,
    pub(super) mean: Vec<f32>,
    /// Of the biased variance.
    pub(super) variance: Vec<f32>,
    pub(super) inverse_deviation: Vec<f32>,
}

/// Means and sums of the squared deviations from them, of each channel in each group: what moments are made of.
pub(super) struct Deviations {
    /// Rows of a group.
    pub(super) count: usize,
    /// `[groups, channels]`.
    pub(super) mean: Vec<f64>,
    /// `[groups, channels]`.
    pub(super) square: Vec<f64>,
}

impl Deviations {
    /// Of each group's rows, with Chan's update over chunks: no cancellation even where the mean is far from zero.
    pub(super) fn of(rows: Rows, values: &[f32]) -> Self {
        let channels = rows.channels;
        let mut count = vec![0usize; rows.groups];
        let mut mean = vec![0f64; rows.groups * channels];
        let mut square = vec![0f64; rows.groups * channels];
        rows.reduce(
            std::iter::repeat(()),
            |_, range, (), sums| chunk_moments(channels, &values[range], sums),
            |group, more, means, squares| {
                let own = group * channels..(group + 1) * channels;
                let whole = [&mut mean[own.clone()], &mut square[own]];
                update([count[group], more], whole, [means, squares]);
                count[group] += more;
            },
        );
        Self { count: rows.group, mean, square }
    }

    pub(super) fn moments(self, epsilon: f64) -> Moments {
        let variance = self.square.iter().map(|square| square / self.count as f64);
        Moments {
            count: self.count,
            inverse_deviation: variance
                .clone()
                .map(|variance| (1.0 / (variance + epsilon).sqrt()) as f32)
                .collect(),
            variance: variance.map(|variance| variance as f32).collect(),
            mean: self.mean.into_iter().map(|mean| mean as f32).collect(),
        }
    }
}

/// Chan's update (Chan, Golub, LeVeque 1983) of means and sums of squared deviations of `before` rows by those of `more` rows.
pub(super) fn update<T: Copy + Into<f64>>(
    [before, more]: [usize; 2],
    [mean, square]: [&mut [f64]; 2],
    [means, squares]: [&[T]; 2],
) {
    let (before, more, after) = (before as f64, more as f64, (before + more) as f64);
    for channel in 0..mean.len() {
        let difference = means[channel].into() - mean[channel];
        mean[channel] += difference * more / after;
        square[channel] += squares[channel].into() + difference * difference * before * more / after;
    }
}

/// The values that ReLU cut off, to which no gradient comes back.
#[derive(Clone, Copy)]
pub(super) enum Cut<'a> {
    /// Nowhere: there is no ReLU.
    Nowhere,
    /// Those whose output, given here, is zero.
    Output(&'a [f32]),
    /// Those that are below zero after this.
    Affine(&'a Affine),
}

/// Takes what was cut off out of the gradient. Sums of the rest over each group, and of it times `x - mean`:
/// `[groups, channels]` each.
pub(super) fn gradient_sums(
    rows: Rows,
    x: &[f32],
    gradient: &mut [f32],
    cut: Cut<'_>,
    mean: &[f32],
) -> [Vec<f64>; 2] {
    let channels = rows.channels;
    let mut plain = vec![0f64; rows.groups * channels];
    let mut moment = vec![0f64; rows.groups * channels];
    let chunks =
        gradient.chunks_mut(rows.group_values()).flat_map(|group| group.chunks_mut(rows.chunk_values()));
    rows.reduce(
        chunks,
        |group, range, gradient, sums| {
            let (x, mean) = (&x[range.clone()], rows.of_group(mean, group));
            match cut {
                Cut::Nowhere => plain_sums(x, gradient, mean, sums),
                Cut::Output(output) => output_sums(x, gradient, &output[range], mean, sums),
                Cut::Affine(Affine { scale, shift, .. }) => {
                    let (scale, shift) = (rows.of_group(scale, group), rows.of_group(shift, group));
                    affine_sums(x, gradient, [scale, shift], mean, sums);
                }
            }
        },
        |group, _, first, second| {
            for channel in 0..channels {
                plain[group * channels + channel] += f64::from(first[channel]);
                moment[group * channels + channel] += f64::from(second[channel]);
            }
        },
    );
    [plain, moment]
}

vectorised! {
    fn chunk_moments(channels: usize, values: &[f32], sums: [&mut [f32]; 2]) {
        let [means, squares] = sums;
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

    fn plain_sums(x: &[f32], gradient: &[f32], mean: &[f32], sums: [&mut [f32]; 2]) {
        let [plain, moment] = sums;
        let channels = mean.len();
        for_lanes!(channels, |from, width| {
            let (mut first, mut second) = ([0f32; LANES], [0f32; LANES]);
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

    fn output_sums(
        x: &[f32],
        gradient: &mut [f32],
        output: &[f32],
        mean: &[f32],
        sums: [&mut [f32]; 2],
    ) {
        let [plain, moment] = sums;
        let channels = mean.len();
        for_lanes!(channels, |from, width| {
            let (mut first, mut second) = ([0f32; LANES], [0f32; LANES]);
            let mean = &mean[from..from + width];
            for start in (from..x.len()).step_by(channels) {
                let (x, gradient) = (&x[start..start + width], &mut gradient[start..start + width]);
                let output = &output[start..start + width];
                // By way of an array: the compiler cannot know that a store to the gradient leaves the rest alone.
                let mut passed = [0f32; LANES];
                for lane in 0..width {
                    passed[lane] = if output[lane] > 0.0 { gradient[lane] } else { 0.0 };
                    first[lane] += passed[lane];
                    second[lane] += passed[lane] * (x[lane] - mean[lane]);
                }
                gradient.copy_from_slice(&passed[..width]);
            }
            plain[from..from + width].copy_from_slice(&first[..width]);
            moment[from..from + width].copy_from_slice(&second[..width]);
        });
    }

    fn affine_sums(
        x: &[f32],
        gradient: &mut [f32],
        parameters: [&[f32]; 2],
        mean: &[f32],
        sums: [&mut [f32]; 2],
    ) {
        let ([plain, moment], [scale, shift]) = (sums, parameters);
        let channels = mean.len();
        for_lanes!(channels, |from, width| {
            let (mut first, mut second) = ([0f32; LANES], [0f32; LANES]);
            let mean = &mean[from..from + width];
            let (scale, shift) = (&scale[from..from + width], &shift[from..from + width]);
            for start in (from..x.len()).step_by(channels) {
                let (x, gradient) = (&x[start..start + width], &mut gradient[start..start + width]);
                // By way of an array: the compiler cannot know that a store to the gradient leaves the rest alone.
                let mut passed = [0f32; LANES];
                for lane in 0..width {
                    passed[lane] = if x[lane] * scale[lane] + shift[lane] > 0.0 { gradient[lane] } else { 0.0 };
                    first[lane] += passed[lane];
                    second[lane] += passed[lane] * (x[lane] - mean[lane]);
                }
                gradient.copy_from_slice(&passed[..width]);
            }
            plain[from..from + width].copy_from_slice(&first[..width]);
            moment[from..from + width].copy_from_slice(&second[..width]);
        });
    }
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
        let found = Deviations::of(rows, &values).moments(0.0);
        for at in 0..6 {
            assert!((found.mean[at] - 1e4).abs() < 1e-2, "{found:?}");
            assert!((found.variance[at] - 1.0).abs() < 1e-3, "{found:?}");
        }
    }
}
