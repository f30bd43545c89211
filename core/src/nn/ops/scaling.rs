//! The loops over rows of channels behind batch norm: the parameters are a value a channel.

/// ReLU.
#[inline(always)]
pub(super) fn rectify(value: f32) -> f32 {
    // Unlike `max`, this lets NaN through.
    if value < 0.0 { 0.0 } else { value }
}

/// No activation.
#[inline(always)]
pub(super) fn keep(value: f32) -> f32 {
    value
}

/// `y = finish(x * scale + shift)`.
#[inline(always)]
pub(super) fn scale_rows(
    y: &mut [f32],
    x: &[f32],
    scale: &[f32],
    shift: &[f32],
    finish: impl Fn(f32) -> f32,
) {
    let channels = scale.len();
    for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
        for (((y, x), scale), shift) in y.iter_mut().zip(x).zip(scale).zip(shift) {
            *y = finish(x * scale + shift);
        }
    }
}

/// `y = finish(x * scale + shift + residual)`.
#[inline(always)]
pub(super) fn add(
    y: &mut [f32],
    x: &[f32],
    scale: &[f32],
    shift: &[f32],
    residual: &[f32],
    finish: impl Fn(f32) -> f32,
) {
    let channels = scale.len();
    let rows =
        y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)).zip(residual.chunks_exact(channels));
    for ((y, x), residual) in rows {
        for ((((y, x), scale), shift), residual) in y.iter_mut().zip(x).zip(scale).zip(shift).zip(residual) {
            *y = finish(x * scale + shift + residual);
        }
    }
}

/// `dx = own * gradient + slope * x + offset`, without the gradient where ReLU cut `y` off.
#[inline(always)]
pub(super) fn combine(
    dx: &mut [f32],
    gradient: &[f32],
    y: &[f32],
    x: &[f32],
    own: &[f32],
    slope: &[f32],
    offset: &[f32],
) {
    let channels = own.len();
    for (index, dx) in dx.chunks_exact_mut(channels).enumerate() {
        let row = index * channels..(index + 1) * channels;
        let (gradient, y, x) = (&gradient[row.clone()], &y[row.clone()], &x[row]);
        let (own, slope, offset) = (&own[..channels], &slope[..channels], &offset[..channels]);
        for at in 0..channels {
            let passed = if y[at] > 0.0 { gradient[at] } else { 0.0 };
            dx[at] = passed * own[at] + x[at] * slope[at] + offset[at];
        }
    }
}

/// The same, where nothing was cut off.
#[inline(always)]
pub(super) fn combine_all(
    dx: &mut [f32],
    gradient: &[f32],
    x: &[f32],
    own: &[f32],
    slope: &[f32],
    offset: &[f32],
) {
    let channels = own.len();
    for (index, dx) in dx.chunks_exact_mut(channels).enumerate() {
        let row = index * channels..(index + 1) * channels;
        let (gradient, x) = (&gradient[row.clone()], &x[row]);
        let (own, slope, offset) = (&own[..channels], &slope[..channels], &offset[..channels]);
        for at in 0..channels {
            dx[at] = gradient[at] * own[at] + x[at] * slope[at] + offset[at];
        }
    }
}
