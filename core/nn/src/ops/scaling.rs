//! A scale and a shift for each channel, then ReLU: what is left of batch norm when its statistics are known.

use super::buffer::Buffer;
use super::rows::Rows;
use super::vectorised;
use rayon::prelude::*;

/// `x * scale + shift`, then ReLU or nothing.
#[derive(Debug)]
pub(super) struct Affine {
    pub(super) rows: Rows,
    /// `[groups, channels]`
    pub(super) scale: Vec<f32>,
    /// `[groups, channels]`
    pub(super) shift: Vec<f32>,
    pub(super) relu: bool,
}

impl Affine {
    /// Writes what becomes of `source` to `target`. The first value is number `start` of the batch, and the first
    /// of a pixel.
    pub(super) fn apply(&self, start: usize, mut source: &[f32], mut target: &mut [f32]) {
        let group_values = self.rows.group_values();
        let mut group = start / group_values;
        let mut left = group_values - start % group_values;
        while !source.is_empty() {
            let count = left.min(source.len());
            let (x, other_x) = source.split_at(count);
            let (y, other_y) = target.split_at_mut(count);
            let (scale, shift) =
                (self.rows.of_group(&self.scale, group), self.rows.of_group(&self.shift, group));
            scale_rows(y, x, scale, shift, self.floor());
            (source, target, group, left) = (other_x, other_y, group + 1, group_values);
        }
    }

    /// Writes what becomes of `x`, plus the residual, to `y`: values of one group.
    pub(super) fn add(&self, group: usize, x: &[f32], residual: &[f32], y: &mut [f32]) {
        let (scale, shift) = (self.rows.of_group(&self.scale, group), self.rows.of_group(&self.shift, group));
        add_rows(y, x, [scale, shift], residual, self.floor());
    }

    fn floor(&self) -> f32 {
        if self.relu { 0.0 } else { f32::NEG_INFINITY }
    }

    /// Applied to the whole batch.
    pub(super) fn applied(&self, source: &[f32]) -> Buffer {
        let mut result = Buffer::stale(source.len());
        let chunk = self.rows.chunk_values();
        result.par_chunks_mut(chunk).zip(source.par_chunks(chunk)).enumerate().for_each(|(index, (y, x))| {
            self.apply(index * chunk, x, y);
        });
        result
    }
}

vectorised! {
    /// `y = x * scale + shift`, but at least `floor`: 0 is ReLU.
    fn scale_rows(y: &mut [f32], x: &[f32], scale: &[f32], shift: &[f32], floor: f32) {
        let channels = scale.len();
        for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
            for (((y, x), scale), shift) in y.iter_mut().zip(x).zip(scale).zip(shift) {
                *y = at_least(floor, x * scale + shift);
            }
        }
    }

    /// `y = x * scale + shift + residual`, but at least `floor`.
    fn add_rows(y: &mut [f32], x: &[f32], parameters: [&[f32]; 2], residual: &[f32], floor: f32) {
        let [scale, shift] = parameters;
        let channels = scale.len();
        let rows =
            y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)).zip(residual.chunks_exact(channels));
        for ((y, x), residual) in rows {
            let parameters = scale.iter().zip(shift);
            for (((y, x), residual), (scale, shift)) in y.iter_mut().zip(x).zip(residual).zip(parameters) {
                *y = at_least(floor, x * scale + shift + residual);
            }
        }
    }

    /// `dx = own * gradient + slope * x + offset`: the gradient in front of a batch norm.
    pub(super) fn combine(dx: &mut [f32], gradient: &[f32], x: &[f32], parameters: [&[f32]; 3]) {
        let [own, slope, offset] = parameters;
        let channels = own.len();
        let rows =
            dx.chunks_exact_mut(channels).zip(gradient.chunks_exact(channels)).zip(x.chunks_exact(channels));
        for ((dx, gradient), x) in rows {
            let parameters = own.iter().zip(slope).zip(offset);
            let values = dx.iter_mut().zip(gradient).zip(x);
            for (((dx, gradient), x), ((own, slope), offset)) in values.zip(parameters) {
                *dx = gradient * own + x * slope + offset;
            }
        }
    }

    /// The same, in the place of the gradient.
    pub(super) fn combine_in_place(gradient: &mut [f32], x: &[f32], parameters: [&[f32]; 3]) {
        let [own, slope, offset] = parameters;
        let channels = own.len();
        for (gradient, x) in gradient.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
            let parameters = own.iter().zip(slope).zip(offset);
            for ((gradient, x), ((own, slope), offset)) in gradient.iter_mut().zip(x).zip(parameters) {
                *gradient = *gradient * own + x * slope + offset;
            }
        }
    }
}

/// Unlike `max`, this lets NaN through.
#[inline(always)]
fn at_least(floor: f32, value: f32) -> f32 {
    if value < floor { floor } else { value }
}
