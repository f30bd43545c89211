//! Batch norm's sums over a batch that several participants have parts of.

use super::moments::{Deviations, update};
use super::with_values;
use crate::Synchroniser;
use candle_core::{CpuStorage, CustomOp1, Device, Error, Layout, Result, Shape, Tensor, bail};
use std::fmt::Display;

/// More values than any batch has, and few enough to be counted in `f64`.
const MOST_VALUES: f64 = (1u64 << 53) as f64;

/// Of the whole batch, from those of the own part: Chan's update over the parts in the participants' order, so that all get the
/// same to the last bit. Parts may differ in size.
pub(super) fn deviations(own: Deviations, groups: usize, synchroniser: &Synchroniser) -> Result<Deviations> {
    let size = own.mean.len();
    let numbers = [vec![own.count as f64], own.mean, own.square].concat();
    let mut whole = Deviations { count: 0, mean: vec![0.0; size], square: vec![0.0; size] };
    let parts = gather(synchroniser, format_args!("moments [{groups}, {}]", size / groups), numbers)?;
    for (rank, part) in parts.iter().enumerate() {
        let (mean, square) = part[1..].split_at(size);
        let count = part[0];
        if !(1.0..MOST_VALUES).contains(&count) || count.fract() != 0.0 {
            bail!("participant {rank} says that it has {count} values of a channel");
        }
        let counts = [whole.count, count as usize];
        update(counts, [&mut whole.mean, &mut whole.square], [mean, square]);
        whole.count += count as usize;
    }
    Ok(whole)
}

/// The sums of the gradient, and of it times `x - mean`, over the whole batch, from those over the own part. `[groups, channels]`
/// each.
pub(super) fn gradient_sums(
    own: [Vec<f64>; 2],
    groups: usize,
    synchroniser: &Synchroniser,
) -> Result<[Vec<f64>; 2]> {
    let size = own[0].len();
    let what = format_args!("gradient's sums [{groups}, {}]", size / groups);
    let mut plain = sum(gather(synchroniser, what, own.concat())?, 2 * size);
    let moment = plain.split_off(size);
    Ok([plain, moment])
}

/// The means and biased variances of the whole batch, from means and sums of squared deviations of the own part's `count` values of
/// a channel, `[2, groups, channels]` each and on the CPU; and how many values the whole batch has. For operations
/// composed of candle's: a gradient goes back through the moments of all participants.
pub(super) fn moments(own: &Tensor, count: usize, synchroniser: &Synchroniser) -> Result<(Tensor, usize)> {
    let (_, groups, channels) = own.dims3()?;
    let (mean, square) = halves(own)?;
    let whole = deviations(Deviations { count, mean, square }, groups, synchroniser)?;
    let variance = whole.square.iter().map(|square| square / whole.count as f64);
    let operation = Moments {
        whole: whole.mean.iter().copied().chain(variance).map(|value| value as f32).collect(),
        what: format!("moments' gradient [{groups}, {channels}]"),
        count: [count, whole.count].map(|count| count as f64),
        synchroniser: synchroniser.clone(),
    };
    Ok((own.apply_op1(operation)?, whole.count))
}

struct Moments {
    whole: Vec<f32>,
    what: String,
    /// Of the own part, and of the whole batch.
    count: [f64; 2],
    synchroniser: Synchroniser,
}

impl CustomOp1 for Moments {
    fn name(&self) -> &'static str {
        "synchronised moments"
    }

    fn cpu_fwd(&self, _: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(self.whole.clone()), layout.shape().clone()))
    }

    fn bwd(&self, own: &Tensor, whole: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (mean, _) = halves(own)?;
        let (whole_mean, _) = halves(whole)?;
        let (for_mean, for_variance) = halves(gradient)?;
        let size = mean.len();
        let parts = gather(&self.synchroniser, &self.what, [for_mean, for_variance].concat())?;
        let sums = sum(parts, 2 * size);
        let (for_mean, for_variance) = sums.split_at(size);
        // N variance = sum over parts of square + n (mean - the whole's)^2. The whole's mean flows into the variance too,
        // but that cancels out over all parts.
        let [count, all] = self.count;
        let of_mean = (0..size).map(|at| {
            let away = mean[at] - whole_mean[at];
            count / all * (for_mean[at] + 2.0 * away * for_variance[at])
        });
        let of_square = for_variance.iter().map(|gradient| gradient / all);
        let own: Vec<f32> = of_mean.chain(of_square).map(|value| value as f32).collect();
        Ok(Some(Tensor::from_vec(own, gradient.shape(), &Device::Cpu)?))
    }
}

/// `[2, groups, channels]` as two lists.
fn halves(tensor: &Tensor) -> Result<(Vec<f64>, Vec<f64>)> {
    let mut first: Vec<f64> =
        with_values(tensor, |values| Ok(values.iter().copied().map(f64::from).collect()))?;
    let second = first.split_off(first.len() / 2);
    Ok((first, second))
}

/// Element by element, in the participants' order.
fn sum(parts: Vec<Vec<f64>>, size: usize) -> Vec<f64> {
    let mut sums = vec![0.0; size];
    for part in parts {
        sums.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
    }
    sums
}

fn gather(synchroniser: &Synchroniser, what: impl Display, own: Vec<f64>) -> Result<Vec<Vec<f64>>> {
    synchroniser.gather(what, own).map_err(|error| Error::msg(format!("{error:#}")))
}
