//! Batch norm, fused with the residual sum and the ReLU that follow it in a residual block.

use super::buffer::Buffer;
use super::map::{Map, Node, Pixels};
use super::moments::{Cut, Deviations, Moments, gradient_sums};
use super::rows::Rows;
use super::scaling::{Affine, combine, combine_in_place};
use super::statistics::BatchStatistics;
use super::{composed, synchronised, with_values};
use crate::Synchroniser;
use candle_core::{Device, Result, Tensor, bail};
use std::sync::Arc;

/// The operations fused behind a normalisation.
#[derive(Clone, Copy, Default)]
pub struct Fused<'a> {
    /// Added to the normalised values, whose shape it has.
    pub residual: Option<&'a Map>,
    /// Rectifies the result.
    pub relu: bool,
}

/// The settings of batch norm in training.
#[derive(Debug, Clone, Copy)]
pub struct Normalisation {
    /// Equal parts of the batch axis, each normalised by its own statistics.
    pub groups: usize,
    /// Added to the variance.
    pub epsilon: f64,
}

/// Batch norm in training (Ioffe and Szegedy 2015), then `+ residual`, then ReLU.
///
/// `x` is `[B, H, W, C]` or `[B, C]`, weight and bias are `[C]`.
///
/// Without a residual, normalisation is deferred and fused into the next operation's read of `x`: it takes no memory and no
/// pass of its own.
///
/// # Errors
/// When the shapes disagree, or the groups do not divide the batch.
pub fn batch_norm(
    x: &Map,
    [weight, bias]: [&Tensor; 2],
    fused: Fused<'_>,
    settings: Normalisation,
) -> Result<(Map, BatchStatistics)> {
    check(x, [weight, bias], fused.residual, settings.groups)?;
    let Normalisation { groups, epsilon } = settings;
    match x.pixels() {
        Some(pixels) => {
            Input { x, values: pixels.whole(), parameters: [weight, bias], fused }.train(settings, None)
        }
        None => composed::batch_norm(x, weight, bias, fused.residual, fused.relu, groups, epsilon),
    }
}

/// [`batch_norm`] of a batch that several participants have parts of, here the own one: normalised by the statistics of
/// the whole batch (Peng et al. 2018). Parts may differ in size; the number of groups may not.
///
/// A gradient comes back to `x` through the statistics of all participants; those of weight and bias are those of the own part,
/// and sum up to those of the whole batch. The backward pass gathers where `x` has a graph, on the thread that runs it.
///
/// # Errors
/// When the shapes disagree, or the participants do, or one has left.
pub fn synchronised_batch_norm(
    x: &Map,
    parameters: [&Tensor; 2],
    fused: Fused<'_>,
    settings: Normalisation,
    synchroniser: &Synchroniser,
) -> Result<(Map, BatchStatistics)> {
    check(x, parameters, fused.residual, settings.groups)?;
    let (Fused { residual, relu }, Normalisation { groups, epsilon }) = (fused, settings);
    match x.pixels() {
        Some(pixels) => {
            Input { x, values: pixels.whole(), parameters, fused }.train(settings, Some(synchroniser))
        }
        None => {
            composed::synchronised_batch_norm(x, parameters, residual, relu, groups, epsilon, synchroniser)
        }
    }
}

/// `x * scale + shift`, then `+ residual`, then ReLU: batch norm with fixed statistics. Shapes are those of
/// [`batch_norm`].
///
/// # Errors
/// When the shapes disagree.
pub fn scale_shift(x: &Map, [scale, shift]: [&Tensor; 2], fused: Fused<'_>) -> Result<Map> {
    check(x, [scale, shift], fused.residual, 1)?;
    let Some(pixels) = x.pixels() else {
        return composed::scale_shift(x, scale, shift, fused.residual, fused.relu);
    };
    let input = Input { x, values: pixels.whole(), parameters: [scale, shift], fused };
    input.normalise(Rows::of(x.dims(), 1), None)
}

fn check(x: &Map, [weight, bias]: [&Tensor; 2], residual: Option<&Map>, groups: usize) -> Result<()> {
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

/// The statistics that normalise the values in training.
struct Batch {
    moments: Moments,
    /// The other participants that have parts of the batch.
    synchroniser: Option<Synchroniser>,
}

/// The arguments of a normalisation.
struct Input<'a> {
    x: &'a Map,
    /// Those of `x`.
    values: Arc<Buffer>,
    /// Weight and bias.
    parameters: [&'a Tensor; 2],
    fused: Fused<'a>,
}

impl Input<'_> {
    fn train(
        self,
        settings: Normalisation,
        synchroniser: Option<&Synchroniser>,
    ) -> Result<(Map, BatchStatistics)> {
        let Normalisation { groups, epsilon } = settings;
        let rows = Rows::of(self.x.dims(), groups);
        let mut deviations = Deviations::of(rows, &self.values);
        if let Some(synchroniser) = synchroniser {
            deviations = synchronised::deviations(deviations, groups, synchroniser)?;
        }
        let moments = deviations.moments(epsilon);
        let tensor = |values: &[f32]| Tensor::from_slice(values, (groups, rows.channels), &Device::Cpu);
        let statistics = BatchStatistics {
            mean: tensor(&moments.mean)?,
            variance: tensor(&moments.variance)?,
            count: moments.count,
        };
        let batch = Batch { moments, synchroniser: synchroniser.cloned() };
        Ok((self.normalise(rows, Some(batch))?, statistics))
    }

    /// With the moments of the batch; without, mean 0 and deviation 1, so that what is left is a scale and a shift.
    fn normalise(self, rows: Rows, batch: Option<Batch>) -> Result<Map> {
        let Self { x, values, parameters: [weight, bias], fused: Fused { residual, relu } } = self;
        // An operation has one parameter, so weight and bias travel as one.
        let parameters = Tensor::stack(&[weight, bias], 0)?;
        let affine = with_values(&parameters, |parameters| {
            let (weight, bias) = parameters.split_at(rows.channels);
            let moments = batch.as_ref().map(|batch| &batch.moments);
            Ok(Arc::new(affine(rows, moments, weight, bias, relu)))
        })?;
        let pixels = match residual.map(Map::pixels) {
            None => Pixels { buffer: values.clone(), affine: Some(affine.clone()) },
            Some(None) => bail!("a map and its residual are on different devices"),
            Some(Some(residual)) => {
                Pixels { buffer: Arc::new(sum(&values, &affine, residual)), affine: None }
            }
        };
        let backward = Backward {
            output: residual.map(|_| pixels.buffer.clone()),
            x: values,
            affine,
            batch,
            nodes: [x.node().cloned(), residual.and_then(Map::node).cloned()],
        };
        let nodes = [x.node(), residual.and_then(Map::node)];
        let node = Node::link(nodes, Some(&parameters), move |gradient| backward.run(gradient))?;
        Ok(Map::of_pixels(x.shape().clone(), pixels, node))
    }
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

/// The values that the backward pass needs.
struct Backward {
    x: Arc<Buffer>,
    /// The result, where there is a residual.
    output: Option<Arc<Buffer>>,
    affine: Arc<Affine>,
    batch: Option<Batch>,
    /// Of `x` and of the residual.
    nodes: [Option<Node>; 2],
}

impl Backward {
    /// Hands on the gradients of `x` and of the residual; returns that of the parameters, `[2, C]`.
    fn run(self, mut gradient: Buffer) -> Result<Option<Tensor>> {
        let Self { x, output, affine, batch, nodes: [for_x, for_residual] } = self;
        let rows = affine.rows;
        let cut = match (affine.relu, &output) {
            (false, _) => Cut::Nowhere,
            (true, Some(output)) => Cut::Output(output),
            (true, None) => Cut::Affine(&affine),
        };
        let fixed = vec![0.0; rows.channels];
        let mean = batch.as_ref().map_or(&fixed, |batch| &batch.moments.mean);
        let sums = gradient_sums(rows, &x, &mut gradient, cut, mean);
        drop(output);

        let for_parameters = parameter_gradient(rows, batch.as_ref(), &sums);
        // dx = own * gradient + slope * x + offset, where the last two are what flows through the moments.
        let [slope, offset] = match &batch {
            Some(batch) if for_x.is_some() => batch.through_moments(&affine, sums)?,
            _ => [(); 2].map(|()| vec![0.0; rows.groups * rows.channels]),
        };
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
        Ok(Some(Tensor::from_vec(for_parameters, (2, rows.channels), &Device::Cpu)?))
    }
}

/// From the sums over the own part, also where the batch is shared.
fn parameter_gradient(rows: Rows, batch: Option<&Batch>, [plain, moment]: &[Vec<f64>; 2]) -> Vec<f32> {
    let mut sums = vec![0f64; 2 * rows.channels];
    for at in 0..rows.groups * rows.channels {
        let channel = at % rows.channels;
        sums[rows.channels + channel] += plain[at];
        sums[channel] += match batch {
            Some(batch) => moment[at] * f64::from(batch.moments.inverse_deviation[at]),
            None => moment[at],
        };
    }
    sums.into_iter().map(|sum| sum as f32).collect()
}

impl Batch {
    /// The gradient of all participants that reaches `x` through the moments: a slope and an offset, `[groups, channels]` each.
    fn through_moments(&self, affine: &Affine, own: [Vec<f64>; 2]) -> Result<[Vec<f32>; 2]> {
        let Self { moments, synchroniser } = self;
        let [plain, moment] = match synchroniser {
            Some(synchroniser) => synchronised::gradient_sums(own, affine.rows.groups, synchroniser)?,
            None => own,
        };
        let count = moments.count as f64;
        let through = (0..plain.len()).map(|at| {
            let (inverse, scale) = (f64::from(moments.inverse_deviation[at]), f64::from(affine.scale[at]));
            let through_deviation = -scale * inverse * inverse * moment[at] / count;
            let through_mean = -scale * plain[at] / count;
            let offset = through_mean - through_deviation * f64::from(moments.mean[at]);
            (through_deviation as f32, offset as f32)
        });
        let (slope, offset) = through.unzip();
        Ok([slope, offset])
    }
}
