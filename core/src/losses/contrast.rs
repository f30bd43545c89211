//! Contrastive arithmetic: cross-entropy over similarities (InfoNCE).

use super::similarity::unit;
use crate::nn::cross_entropy::{cross_entropy, cross_entropy_of_first};
use anyhow::{Result, ensure};
use candle_core::{D, Tensor};

/// The mean cross-entropy of each query with its key against all keys of `queue` (He et al. 2020, Eq. 1): logits
/// `[q . k, q . queue] / temperature`, the key first.
///
/// Queries and keys are `[B, D]`, the queue `[K, D]`; queries and keys are normalised here, the queue is as it is.
///
/// # Errors
/// When the shapes do not fit.
pub fn info_nce(queries: &Tensor, keys: &Tensor, queue: &Tensor, temperature: f64) -> Result<Tensor> {
    let (queries, keys) = (unit(queries)?, unit(keys)?);
    let positive = (&queries * &keys)?.sum_keepdim(D::Minus1)?;
    let negative = queries.matmul(&queue.t()?.contiguous()?)?;
    let logits = (Tensor::cat(&[&positive, &negative], 1)? * (1.0 / temperature))?;
    cross_entropy_of_first(&logits)
}

/// The mean cross-entropy of each of the 2B features with its other view against the other 2B - 2 (NT-Xent; Chen et al.
/// 2020, Eq. 1). The two views are `[B, D]` each and are normalised here.
///
/// # Errors
/// When the shapes differ, or B is below 2: one image has nobody to be told from.
pub fn nt_xent(one: &Tensor, other: &Tensor, temperature: f64) -> Result<Tensor> {
    let batch = one.dim(0)?;
    ensure!(batch > 1, "a batch of {batch} image has no negatives: use at least 2");
    let features = unit(&Tensor::cat(&[one, other], 0)?)?;
    let similarity = (features.matmul(&features.t()?.contiguous()?)? * (1.0 / temperature))?;
    // A feature is no negative of itself.
    let own = Tensor::eye(2 * batch, similarity.dtype(), similarity.device())?;
    let logits = (similarity - (own * 1e9)?)?;
    let labels: Vec<u32> = (0..2 * batch).map(|row| ((row + batch) % (2 * batch)) as u32).collect();
    cross_entropy(&logits, &labels)
}
