//! Layer-wise adaptive rate scaling (You, Gitman and Ginsburg 2017).

use candle_core::{Result, Tensor, Var};

/// The decayed gradient times the trust ratio `trust |p| / |gradient + decay p|` and `factor`.
///
/// The ratio is 1 for an excluded parameter, and where either length is 0. Two variants are in use: BYOL's
/// puts the learning rate behind the momentum, SimCLR's in front of it, as `factor`. They differ when the
/// learning rate changes.
pub(super) fn adapt(
    parameter: &Var,
    gradient: &Tensor,
    decay: f64,
    trust: f64,
    excluded: bool,
    factor: f64,
) -> Result<Tensor> {
    let values = parameter.as_detached_tensor();
    let update = if decay == 0.0 { gradient.clone() } else { (gradient + (&values * decay)?)? };
    let lengths = (length(&values)?, length(&update)?);
    let ratio = match lengths {
        (parameter, update) if !excluded && parameter > 0.0 && update > 0.0 => trust * parameter / update,
        _ => 1.0,
    };
    update * (ratio * factor)
}

fn length(tensor: &Tensor) -> Result<f64> {
    Ok(f64::from(tensor.sqr()?.sum_all()?.to_scalar::<f32>()?.sqrt()))
}
