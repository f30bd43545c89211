//! Batch norm, fused with the residual sum and the ReLU that follow it in a residual block.

use super::buffer::Buffer;
use super::map::{Map, Node, Pixels};
use super::moments::{Cut, Moments, Rows, gradient_sums, moments};
use super::scaling::{Affine, combine, combine_in_place};
use super::{composed, with_values};
use candle_core::{Device, Result, Tensor, bail};
use std::sync::Arc;

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
/// Without a residual the result is `x` and what is to be done to it, which whoever reads it does as it reads: it takes
/// no memory and no pass of its own.
///
/// # Errors
/// When the shapes disagree, or `groups` does not divide the batch.
pub fn batch_norm(
    x: &Map,
    weight: &Tensor,
    bias: &Tensor,
    residual: Option<&Map>,
    relu: bool,
    groups: usize,
    epsilon: f64,
) -> Result<(Map, BatchStatistics)> {
    check(x, weight, bias, residual, groups)?;
    let Some(pixels) = x.pixels() else {
        return composed::batch_norm(x, weight, bias, residual, relu, groups, epsilon);
    };
    let values = pixels.whole();
    let rows = Rows::of(x.dims(), groups);
    let moments = Arc::new(moments(rows, &values, epsilon));
    let tensor = |values: &[f32]| Tensor::from_slice(values, (groups, rows.channels), &Device::Cpu);
    let statistics = BatchStatistics { mean: tensor(&moments.mean)?, variance: tensor(&moments.variance)? };
    Ok((normalise(x, values, rows, Some(moments), [weight, bias], residual, relu)?, statistics))
}

/// `x * scale + shift`, then `+ residual`, then ReLU: batch norm with fixed statistics. Shapes are those of
/// [`batch_norm`].
///
/// # Errors
/// When the shapes disagree.
pub fn scale_shift(
    x: &Map,
    scale: &Tensor,
    shift: &Tensor,
    residual: Option<&Map>,
    relu: bool,
) -> Result<Map> {
    check(x, scale, shift, residual, 1)?;
    let Some(pixels) = x.pixels() else {
        return composed::scale_shift(x, scale, shift, residual, relu);
    };
    normalise(x, pixels.whole(), Rows::of(x.dims(), 1), None, [scale, shift], residual, relu)
}

fn check(x: &Map, weight: &Tensor, bias: &Tensor, residual: Option<&Map>, groups: usize) -> Result<()> {
    let (&[batch, .., channels], 2 | 4) = (x.dims(), x.dims().len()) else {
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

/// With the moments of the batch; without, mean 0 and deviation 1, so that what is left is a scale and a shift.
fn normalise(
    x: &Map,
    values: Arc<Buffer>,
    rows: Rows,
    moments: Option<Arc<Moments>>,
    [weight, bias]: [&Tensor; 2],
    residual: Option<&Map>,
    relu: bool,
) -> Result<Map> {
    // An operation has one parameter, so weight and bias travel as one.
    let parameters = Tensor::stack(&[weight, bias], 0)?;
    let affine = with_values(&parameters, |parameters| {
        let (weight, bias) = parameters.split_at(rows.channels);
        Ok(Arc::new(affine(rows, moments.as_deref(), weight, bias, relu)))
    })?;
    let pixels = match residual.map(Map::pixels) {
        None => Pixels { buffer: values.clone(), affine: Some(affine.clone()) },
        Some(None) => bail!("a map and its residual are on different devices"),
        Some(Some(residual)) => Pixels { buffer: Arc::new(sum(&values, &affine, residual)), affine: None },
    };
    let backward = Backward {
        output: residual.map(|_| pixels.buffer.clone()),
        x: values,
        affine,
        moments,
        nodes: [x.node().cloned(), residual.and_then(Map::node).cloned()],
    };
    let nodes = [x.node(), residual.and_then(Map::node)];
    let node = Node::link(nodes, Some(&parameters), move |gradient| backward.run(gradient))?;
    Ok(Map::of_pixels(x.shape().clone(), pixels, node))
}

fn affine(rows: Rows, moments: Option<&Moments>, weight: &[f32], bias: &[f32], relu: bool) -> Affine {
    let Some(moments) = moments else {
        return Affine { rows, scale: weight.to_vec(), shift: bias.to_vec(), relu };
    };
    let scale: Vec<f32> = (moments.inverse_deviation.iter().zip(weight.iter().cycle()))
        .map(|(inverse, weight)| inverse * weight)
        .collect();
    let shift = (bias.iter().cycle().zip(&moments.mean).zip(&scale))
        .map(|((bias, mean), scale)| bias - mean * scale)
        .collect();
    Affine { rows, scale, shift, relu }
}

/// The normalised values plus the residual, rectified.
fn sum(values: &[f32], affine: &Affine, residual: &Pixels) -> Buffer {
    let mut y = Buffer::stale(values.len());
    affine.rows.each_chunk(&mut y, |group, range, y| {
        let x = &values[range.clone()];
        residual.with(range, |residual| affine.add(group, x, residual, y));
    });
    y
}

/// What the backward pass needs.
struct Backward {
    x: Arc<Buffer>,
    /// The result, where there is a residual.
    output: Option<Arc<Buffer>>,
    affine: Arc<Affine>,
    moments: Option<Arc<Moments>>,
    /// Of `x` and of the residual.
    nodes: [Option<Node>; 2],
}

impl Backward {
    /// Hands on the gradients of `x` and of the residual; returns that of the parameters, `[2, C]`.
    fn run(self, mut gradient: Buffer) -> Result<Option<Tensor>> {
        let Self { x, output, affine, moments, nodes: [for_x, for_residual] } = self;
        let rows = affine.rows;
        let cut = match (affine.relu, &output) {
            (false, _) => Cut::Nowhere,
            (true, Some(output)) => Cut::Output(output),
            (true, None) => Cut::Affine(&affine),
        };
        let fixed = vec![0.0; rows.channels];
        let mean = moments.as_ref().map_or(&fixed, |moments| &moments.mean);
        let (plain, moment) = gradient_sums(rows, &x, &mut gradient, cut, mean);
        drop(output);

        // dx = own * gradient + slope * x + offset, where the last two are what flows through the moments.
        let mut sums = vec![0f64; 2 * rows.channels];
        let size = rows.groups * rows.channels;
        let (mut slope, mut offset) = (vec![0.0; size], vec![0.0; size]);
        for at in 0..size {
            let channel = at % rows.channels;
            sums[rows.channels + channel] += plain[at];
            let Some(moments) = &moments else {
                sums[channel] += moment[at];
                continue;
            };
            let (inverse, scale) = (f64::from(moments.inverse_deviation[at]), f64::from(affine.scale[at]));
            sums[channel] += moment[at] * inverse;
            let through_deviation = -scale * inverse * inverse * moment[at] / rows.group as f64;
            let through_mean = -scale * plain[at] / rows.group as f64;
            slope[at] = through_deviation as f32;
            offset[at] = (through_mean - through_deviation * f64::from(moments.mean[at])) as f32;
        }
        let of_group = |group| [&affine.scale, &slope, &offset].map(|values| rows.of_group(values, group));
        match (for_x, for_residual) {
            (None, None) => {}
            (None, Some(residual)) => residual.add(gradient),
            (Some(for_x), None) => {
                rows.each_chunk(&mut gradient, |group, range, gradient| {
                    combine_in_place(gradient, &x[range], of_group(group));
                });
                for_x.add(gradient);
            }
            (Some(for_x), Some(residual)) => {
                let mut dx = Buffer::stale(gradient.len());
                rows.each_chunk(&mut dx, |group, range, dx| {
                    combine(dx, &gradient[range.clone()], &x[range], of_group(group));
                });
                for_x.add(dx);
                residual.add(gradient);
            }
        }
        let sums: Vec<f32> = sums.into_iter().map(|sum| sum as f32).collect();
        Ok(Some(Tensor::from_vec(sums, (2, rows.channels), &Device::Cpu)?))
    }
}
