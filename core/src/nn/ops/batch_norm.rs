//! Batch norm, fused with the residual sum and the ReLU that follow it in a residual block.

use super::moments::{Moments, Rows, gradient_sums, moments};
use super::scaling::{add, combine, combine_all, keep, rectify, scale_rows};
use super::{composed, values, vectorised, with_values};
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Device, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;
use std::sync::{Arc, OnceLock};

/// The statistics of a batch: `[groups, C]` each, without a graph.
#[derive(Debug, Clone)]
pub struct BatchStatistics {
    /// The mean of each channel in each group.
    pub mean: Tensor,
    /// The biased variance.
    pub variance: Tensor,
}

/// Batch norm in training (Ioffe and Szegedy 2015), then `+ residual`, then ReLU.
///
/// `x` is `[B, H, W, C]` or `[B, C]`, `weight` and `bias` are `[C]`, and `residual` has the shape of `x`.
/// The batch axis holds `groups` equal parts, each normalised by its own statistics.
///
/// # Errors
/// When the shapes disagree, or `groups` does not divide the batch.
pub fn batch_norm(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    residual: Option<&Tensor>,
    relu: bool,
    groups: usize,
    epsilon: f64,
) -> Result<(Tensor, BatchStatistics)> {
    check(x, weight, bias, residual, groups)?;
    if !x.device().is_cpu() {
        return composed::batch_norm(x, weight, bias, residual, relu, groups, epsilon);
    }
    let cell = Arc::new(OnceLock::new());
    let statistics = Statistics::Batch { groups, epsilon, moments: cell.clone() };
    let y = apply(x, weight, bias, residual, Normalise { statistics, relu })?;
    let Some(Moments { mean, variance, .. }) = cell.get().cloned() else {
        bail!("batch norm left no statistics");
    };
    let shape = (groups, weight.elem_count());
    let tensor = |values| Tensor::from_vec(values, shape, &Device::Cpu);
    Ok((y, BatchStatistics { mean: tensor(mean)?, variance: tensor(variance)? }))
}

/// `x * scale + shift`, then `+ residual`, then ReLU: batch norm with fixed statistics. Shapes are those of
/// [`batch_norm`].
///
/// # Errors
/// When the shapes disagree.
pub fn scale_shift(
    x: &Tensor,
    scale: &Tensor,
    shift: &Tensor,
    residual: Option<&Tensor>,
    relu: bool,
) -> Result<Tensor> {
    check(x, scale, shift, residual, 1)?;
    if !x.device().is_cpu() {
        return composed::scale_shift(x, scale, shift, residual, relu);
    }
    apply(x, scale, shift, residual, Normalise { statistics: Statistics::Fixed, relu })
}

fn check(x: &Tensor, weight: &Tensor, bias: &Tensor, residual: Option<&Tensor>, groups: usize) -> Result<()> {
    let (&[batch, .., channels], 2 | 4) = (x.dims(), x.rank()) else {
        bail!("batch norm needs [B, H, W, C] or [B, C], got {:?}", x.dims());
    };
    if weight.dims() != [channels] || bias.dims() != [channels] {
        bail!("batch norm of {channels} channels got {:?} and {:?}", weight.dims(), bias.dims());
    }
    if groups == 0 || batch == 0 || batch % groups != 0 {
        bail!("a batch of {batch} cannot be {groups} equal groups");
    }
    match residual {
        Some(residual) if residual.dims() != x.dims() => {
            bail!("the residual {:?} has not the shape {:?}", residual.dims(), x.dims())
        }
        _ => Ok(()),
    }
}

/// candle's operations take at most three tensors, so scale and shift travel as one `[2, C]`.
fn apply(
    x: &Tensor,
    scale: &Tensor,
    shift: &Tensor,
    residual: Option<&Tensor>,
    operation: Normalise,
) -> Result<Tensor> {
    let affine = Tensor::stack(&[scale, shift], 0)?;
    match residual {
        Some(residual) => x.contiguous()?.apply_op3(&affine, &residual.contiguous()?, operation),
        None => x.contiguous()?.apply_op2(&affine, operation),
    }
}

struct Normalise {
    statistics: Statistics,
    relu: bool,
}

enum Statistics {
    /// The batch's own; the forward pass leaves them for the backward pass.
    Batch { groups: usize, epsilon: f64, moments: Arc<OnceLock<Moments>> },
    /// Mean 0 and deviation 1: what is left is a scale and a shift.
    Fixed,
}

impl Normalise {
    fn rows(&self, dims: &[usize]) -> Rows {
        let channels = dims[dims.len() - 1];
        let groups = match self.statistics {
            Statistics::Batch { groups, .. } => groups,
            Statistics::Fixed => 1,
        };
        let rows = dims[..dims.len() - 1].iter().product::<usize>();
        Rows { channels, groups, group: rows / groups }
    }

    fn forward(&self, dims: &[usize], x: &[f32], affine: &[f32], residual: Option<&[f32]>) -> Vec<f32> {
        let rows = self.rows(dims);
        let (weight, bias) = affine.split_at(rows.channels);
        let (scale, shift) = match &self.statistics {
            Statistics::Fixed => (weight.to_vec(), bias.to_vec()),
            Statistics::Batch { epsilon, moments: cell, .. } => {
                let moments = cell.get_or_init(|| moments(rows, x, *epsilon));
                let scale: Vec<f32> = (moments.inverse_deviation.iter().zip(weight.iter().cycle()))
                    .map(|(inverse, weight)| inverse * weight)
                    .collect();
                let shift = (bias.iter().cycle().zip(&moments.mean).zip(&scale))
                    .map(|((bias, mean), scale)| bias - mean * scale)
                    .collect();
                (scale, shift)
            }
        };
        let mut y = vec![0.0; x.len()];
        each_chunk(rows, &mut y, |group, range, y| {
            let (scale, shift) = (of_group(&scale, rows, group), of_group(&shift, rows, group));
            let x = &x[range.clone()];
            match (residual, self.relu) {
                (Some(residual), true) => vectorised(|| add(y, x, scale, shift, &residual[range], rectify)),
                (Some(residual), false) => vectorised(|| add(y, x, scale, shift, &residual[range], keep)),
                (None, true) => vectorised(|| scale_rows(y, x, scale, shift, rectify)),
                (None, false) => vectorised(|| scale_rows(y, x, scale, shift, keep)),
            }
        });
        y
    }

    /// The gradients of `x` and `affine`.
    fn backward(&self, dims: &[usize], x: &[f32], affine: &[f32], y: &[f32], gradient: &[f32]) -> Gradients {
        let rows = self.rows(dims);
        let weight = &affine[..rows.channels];
        let output = self.relu.then_some(y);
        let fixed = Moments {
            mean: vec![0.0; rows.channels],
            variance: vec![1.0; rows.channels],
            inverse_deviation: vec![1.0; rows.channels],
        };
        let (moments, learnt) = match &self.statistics {
            Statistics::Batch { epsilon, moments: cell, .. } => {
                (cell.get_or_init(|| moments(rows, x, *epsilon)), true)
            }
            Statistics::Fixed => (&fixed, false),
        };
        let (plain, moment) = gradient_sums(rows, x, gradient, output, &moments.mean);

        // dx = own * gradient + slope * x + offset, where the last two are what flows through the moments.
        let mut sums = vec![0f64; 2 * rows.channels];
        let size = rows.groups * rows.channels;
        let (mut own, mut slope, mut offset) = (vec![0.0; size], vec![0.0; size], vec![0.0; size]);
        for at in 0..size {
            let channel = at % rows.channels;
            let inverse = f64::from(moments.inverse_deviation[at]);
            sums[channel] += moment[at] * inverse;
            sums[rows.channels + channel] += plain[at];
            let scale = f64::from(weight[channel]) * inverse;
            own[at] = scale as f32;
            if learnt {
                let through_deviation = -scale * inverse * inverse * moment[at] / rows.group as f64;
                let through_mean = -scale * plain[at] / rows.group as f64;
                slope[at] = through_deviation as f32;
                offset[at] = (through_mean - through_deviation * f64::from(moments.mean[at])) as f32;
            }
        }
        let mut dx = vec![0.0; x.len()];
        each_chunk(rows, &mut dx, |group, range, dx| {
            let own = of_group(&own, rows, group);
            let (slope, offset) = (of_group(&slope, rows, group), of_group(&offset, rows, group));
            let (x, gradient) = (&x[range.clone()], &gradient[range.clone()]);
            match output {
                Some(output) => vectorised(|| combine(dx, gradient, &output[range], x, own, slope, offset)),
                None => vectorised(|| combine_all(dx, gradient, x, own, slope, offset)),
            }
        });
        Gradients { x: dx, affine: sums.into_iter().map(|sum| sum as f32).collect() }
    }

    /// The gradient of the residual.
    fn residual(&self, dims: &[usize], y: &[f32], gradient: &[f32]) -> Vec<f32> {
        if !self.relu {
            return gradient.to_vec();
        }
        let mut result = vec![0.0; y.len()];
        each_chunk(self.rows(dims), &mut result, |_, range, result| {
            let (y, gradient) = (&y[range.clone()], &gradient[range]);
            vectorised(|| {
                for ((result, y), gradient) in result.iter_mut().zip(y).zip(gradient) {
                    *result = if *y > 0.0 { *gradient } else { 0.0 };
                }
            });
        });
        result
    }
}

struct Gradients {
    x: Vec<f32>,
    affine: Vec<f32>,
}

impl CustomOp2 for Normalise {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        affine: &CpuStorage,
        la: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let y = self.forward(lx.dims(), values(x, lx)?, values(affine, la)?, None);
        Ok((CpuStorage::F32(y), lx.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        affine: &Tensor,
        y: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradients = with_values(x, |x_values| {
            with_values(affine, |affine| {
                with_values(y, |y| {
                    with_values(gradient, |gradient| {
                        Ok(self.backward(x.dims(), x_values, affine, y, gradient))
                    })
                })
            })
        })?;
        let for_x = Tensor::from_vec(gradients.x, x.shape(), &Device::Cpu)?;
        let for_affine = Tensor::from_vec(gradients.affine, affine.shape(), &Device::Cpu)?;
        Ok((Some(for_x), Some(for_affine)))
    }
}

impl CustomOp3 for Normalise {
    fn name(&self) -> &'static str {
        "batch_norm_residual"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        affine: &CpuStorage,
        la: &Layout,
        residual: &CpuStorage,
        lr: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let y = self.forward(lx.dims(), values(x, lx)?, values(affine, la)?, Some(values(residual, lr)?));
        Ok((CpuStorage::F32(y), lx.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        affine: &Tensor,
        residual: &Tensor,
        y: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (for_x, for_affine) = CustomOp2::bwd(self, x, affine, y, gradient)?;
        let for_residual = match residual.track_op() {
            false => None,
            true => {
                let values = with_values(y, |values| {
                    with_values(gradient, |gradient| Ok(self.residual(y.dims(), values, gradient)))
                })?;
                Some(Tensor::from_vec(values, residual.shape(), &Device::Cpu)?)
            }
        };
        Ok((for_x, for_affine, for_residual))
    }
}

/// Calls `body(group, where the chunk lies, chunk)` for each chunk of `target`, in parallel.
fn each_chunk(
    rows: Rows,
    target: &mut [f32],
    body: impl Fn(usize, std::ops::Range<usize>, &mut [f32]) + Sync,
) {
    target.par_chunks_mut(rows.group_values()).enumerate().for_each(|(group, target)| {
        target.par_chunks_mut(rows.chunk_values()).enumerate().for_each(|(index, target)| {
            let start = group * rows.group_values() + index * rows.chunk_values();
            body(group, start..start + target.len(), target);
        });
    });
}

fn of_group(values: &[f32], rows: Rows, group: usize) -> &[f32] {
    &values[group * rows.channels..(group + 1) * rows.channels]
}
