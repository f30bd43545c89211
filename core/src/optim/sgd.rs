//! SGD with momentum.

use candle_core::{Result, Tensor, Var};

/// v = momentum v + (gradient + decay p), then p = p - rate v, as PyTorch's SGD; v starts at zero.
pub(super) fn step(
    parameter: &Var,
    gradient: &Tensor,
    buffer: &Var,
    rate: f64,
    momentum: f64,
    decay: f64,
) -> Result<()> {
    let values = parameter.as_detached_tensor();
    let step = if decay == 0.0 { gradient.clone() } else { (gradient + (&values * decay)?)? };
    let velocity = ((buffer.as_detached_tensor() * momentum)? + step)?;
    buffer.set(&velocity)?;
    parameter.set(&(values - (velocity * rate)?)?)
}
