//! The losses of detectors, composed of operations whose gradients candle knows.

use anyhow::Result;
use candle_core::{Device, Tensor};

/// Binary cross entropy of logits against targets in 0..=1, the mean over all. Same shapes.
pub fn binary_cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    Ok(each_binary_cross_entropy(logits, targets)?.mean_all()?)
}

/// Binary cross entropy of each logit: `max(x, 0) - x t + log(1 + exp(-|x|))`, which never overflows.
fn each_binary_cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let tail = (logits.abs()?.neg()?.exp()? + 1.0)?.log()?;
    Ok(((logits.relu()? - (logits * targets)?)? + tail)?)
}

/// The smooth L1 loss (Girshick 2015, Eq. 3), quadratic up to a difference of `beta`, with 0 nowhere: the sum over all.
pub fn smooth_l1(found: &Tensor, wanted: &Tensor, beta: f64) -> Result<Tensor> {
    if beta == 0.0 {
        return Ok(absolute(&(found - wanted)?)?.sum_all()?);
    }
    let difference = (found - wanted)?.abs()?;
    let small = difference.minimum(beta)?;
    Ok(((small.sqr()? * (0.5 / beta))? + (difference - small)?)?.sum_all()?)
}

/// The absolute values, with a gradient of 0 at 0 as in PyTorch; that of candle's own operation is 1 there.
pub fn absolute(x: &Tensor) -> Result<Tensor> {
    let x = x.contiguous()?;
    let fixed = x.detach();
    let sign = (fixed.gt(0f32)?.to_dtype(x.dtype())? - fixed.lt(0f32)?.to_dtype(x.dtype())?)?;
    Ok((x * sign)?)
}

/// The focal loss of each logit (Lin et al. 2017, Eq. 5), with alpha 0.25 and gamma 2; targets are 0 or 1. Same shapes.
pub fn focal(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    const ALPHA: f64 = 0.25;
    let probability = candle_nn::ops::sigmoid(logits)?;
    // The distance to the target: p for 0 and 1 - p for 1.
    let missed = (&probability + ((targets * (&probability * -2.0)?)? + targets)?)?;
    let weight = (((targets * (2.0 * ALPHA - 1.0))? + (1.0 - ALPHA))? * missed.sqr()?)?;
    Ok((each_binary_cross_entropy(logits, targets)? * weight)?)
}

/// A loss of 0 where there is nothing to learn, with a gradient of 0 for all that `found` is made of: every parameter needs
/// one. The factor is a tensor, as candle follows no gradient through one that is the number 0.
pub fn nothing(found: &Tensor) -> Result<Tensor> {
    let sum = found.sum_all()?;
    Ok((&sum * sum.zeros_like()?)?)
}

/// Rows of four numbers as `[N, 4]`.
pub fn rows_of(rows: Vec<[f32; 4]>, device: &Device) -> Result<Tensor> {
    let count = rows.len();
    Ok(Tensor::from_vec(rows.into_flattened(), (count, 4), device)?)
}
