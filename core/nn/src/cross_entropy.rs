//! The loss of a classifier.

use anyhow::{Result, ensure};
use candle_core::{D, DType, Device, Tensor};

/// The mean over a batch of `-log softmax(scores)[label]`, with its gradient: a scalar. Scores `[B, C]`.
///
/// # Errors
/// When there is not one label for each row, or a label is no class.
pub fn cross_entropy(scores: &Tensor, labels: &[u32]) -> Result<Tensor> {
    let (batch, classes) = scores.dims2()?;
    ensure!(batch == labels.len(), "{batch} rows of scores for {} labels", labels.len());
    let targets = one_hot(labels, classes, scores.dtype(), scores.device())?;
    let log_likelihood = (log_softmax(scores)? * targets)?.sum_all()?;
    Ok((log_likelihood * (-1.0 / batch as f64))?)
}

/// [`cross_entropy`] where the label of each row is its first class, as a contrast has its positive first. Nothing of the size of
/// the scores is made for the labels. Scores `[B, C]`.
///
/// # Errors
/// When scores are no matrix.
pub fn cross_entropy_of_first(scores: &Tensor) -> Result<Tensor> {
    let (shifted, log_sums) = shifted(scores)?;
    Ok((log_sums - shifted.narrow(1, 0, 1)?)?.mean_all()?)
}

/// The logarithm of the softmax over the last axis, with its gradient: `[B, C]` to `[B, C]`.
///
/// # Errors
/// When scores have no axis.
pub fn log_softmax(scores: &Tensor) -> Result<Tensor> {
    let (shifted, log_sums) = shifted(scores)?;
    Ok(shifted.broadcast_sub(&log_sums)?)
}

/// Scores relative to each row's largest one, which changes neither a softmax nor its gradient and overflows nowhere, and the
/// logarithm of each row's sum of exponentials.
fn shifted(scores: &Tensor) -> Result<(Tensor, Tensor)> {
    let shifted = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?;
    let log_sums = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    Ok((shifted, log_sums))
}

/// Labels as rows with a single 1. `[B, C]`.
///
/// # Errors
/// When a label is no class.
pub fn one_hot(labels: &[u32], classes: usize, dtype: DType, device: &Device) -> Result<Tensor> {
    let mut rows = vec![0f32; labels.len() * classes];
    for (row, label) in rows.chunks_mut(classes.max(1)).zip(labels) {
        ensure!((*label as usize) < classes, "the label {label} is none of {classes} classes");
        row[*label as usize] = 1.0;
    }
    Ok(Tensor::from_vec(rows, (labels.len(), classes), device)?.to_dtype(dtype)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Var;

    #[test]
    fn value_and_gradient_agree_with_pytorch() -> Result<()> {
        // torch 2.15: F.cross_entropy(tensor([[1., 2., 0.5], [-1., 0., 300.]]), tensor([0, 2])) and its gradient.
        let scores = Var::new(&[[1f32, 2.0, 0.5], [-1.0, 0.0, 300.0]], &Device::Cpu)?;
        let loss = cross_entropy(&scores, &[0, 2])?;
        assert!((loss.to_scalar::<f32>()? - VALUE).abs() < 1e-6);
        let gradient = loss.backward()?.get(&scores).unwrap().flatten_all()?.to_vec1::<f32>()?;
        for (found, expected) in gradient.iter().zip(GRADIENT) {
            assert!((found - expected).abs() < 1e-6, "{gradient:?}");
        }
        Ok(())
    }

    const VALUE: f32 = 0.7321844;
    const GRADIENT: [f32; 6] = [-0.3843881, 0.3142658, 0.0701222, 0.0000000, 0.0000000, 0.0000000];

    #[test]
    fn labels_must_be_classes_and_as_many_as_rows() -> Result<()> {
        let scores = Tensor::zeros((2, 3), DType::F32, &Device::Cpu)?;
        assert!(cross_entropy(&scores, &[0, 3]).unwrap_err().to_string().contains("none of 3 classes"));
        assert!(cross_entropy(&scores, &[0]).unwrap_err().to_string().contains("2 rows"));
        Ok(())
    }
}
