//! From the pixels of a resized crop to a finished view, in three sweeps over its rows.
//!
//! Between two sweeps lies what needs all rows: the mean that the contrast blends with, and the vertical half of
//! the blur. Everything else is done to a row while it is in the processor's nearest cache.

use super::blur::Blur;
use super::grey::Grey;
use super::jitter;
use super::normalise::Normalisation;
use super::parameters::{Adjustment, ViewParameters};
use super::rows::{self, Planes, Row, again, change};
use super::solarize::Solarize;

/// The buffers of a view.
#[derive(Default)]
pub(super) struct Buffers {
    planes: Planes,
    row: [Vec<f32>; 3],
    padded: Vec<f32>,
}

/// The steps from a resized crop to the pixels of a view.
pub(super) struct Finish<'a> {
    /// The colours; a flip is done before.
    pub parameters: &'a ViewParameters,
    /// The blur, in pixels of this view.
    pub blur: Option<Blur>,
    /// The levels of the result.
    pub normalisation: &'a Normalisation,
}

/// Does everything but the flip to `pixels`, `[side, side, 3]`, and writes it to `out` of the same shape.
pub(super) fn finish(
    pixels: &[u8],
    side: usize,
    Finish { parameters, blur, normalisation }: Finish<'_>,
    buffers: &mut Buffers,
    out: &mut [f32],
) {
    let Buffers { planes, row: buffer, padded } = buffers;
    planes.resize(side);
    let order = parameters.jitter.as_ref().map_or(&[][..], |jitter| &jitter.order);
    let contrast = order.iter().position(|adjustment| *adjustment == Adjustment::Contrast);
    let (before, after) = order.split_at(contrast.unwrap_or(0));
    let adjust = |row: &mut Row<'_>, order: &[Adjustment], mean: f32| {
        for (adjustment, jitter) in order.iter().zip(parameters.jitter.iter().cycle()) {
            jitter::adjust(again(row), *adjustment, jitter, mean);
        }
    };

    let mut sum = 0.0;
    for (mut row, pixels) in planes.rows().zip(pixels.chunks_exact(3 * side)) {
        rows::load(again(&mut row), pixels);
        if parameters.grey_first {
            change(again(&mut row), Grey);
        }
        adjust(&mut row, before, 0.0);
        if contrast.is_some() {
            sum += jitter::sum_of_greys(row);
        }
    }

    let mean = (sum / (side * side) as f64 + 0.5).floor() as f32;
    for mut row in planes.rows() {
        adjust(&mut row, after, mean);
        if parameters.grey && !parameters.grey_first {
            change(again(&mut row), Grey);
        }
        if let Some(blur) = &blur {
            row.into_iter().for_each(|line| blur.along(line, padded));
        }
    }

    for (y, out) in out.chunks_exact_mut(3 * side).enumerate() {
        let mut row = buffer.each_mut().map(|line| {
            line.resize(side, 0.0);
            &mut line[..]
        });
        for (channel, line) in row.iter_mut().enumerate() {
            match &blur {
                Some(blur) => blur.across(planes, channel, y, line),
                None => line.copy_from_slice(planes.line(channel, y)),
            }
        }
        if parameters.solarize {
            change(again(&mut row), Solarize);
        }
        normalisation.row(row, out);
    }
}
