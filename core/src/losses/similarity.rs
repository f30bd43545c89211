//! Cosine similarity and the losses made of it: Eq. 2, 3, 5, 8.

use candle_core::{D, Result, Tensor};
use serde::{Deserialize, Serialize};

/// The form of a loss from the similarity of a prediction and its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SimilarityForm {
    /// -cos, as Eq. 2 prints it.
    #[default]
    NegCos,
    /// 2 - 2 cos, the squared distance of the normalised vectors that BYOL minimises: twice the gradient.
    Byol,
}

impl SimilarityForm {
    /// The loss of predictions against targets, `[.., D]` each, as the mean over all vectors (Eq. 2, 5).
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn loss(self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        let mean = cosine(prediction, target)?.mean_all()?;
        match self {
            Self::NegCos => mean.neg(),
            Self::Byol => mean.affine(-2.0, 2.0),
        }
    }

    /// The loss of two views, each predicting the other one's target (Eq. 3).
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn symmetric(self, online: [&Tensor; 2], target: [&Tensor; 2]) -> Result<Tensor> {
        self.loss(online[0], target[1])? + self.loss(online[1], target[0])?
    }
}

/// The cosine of the vectors at the same place of two `[.., D]` tensors: `[..]`.
///
/// # Errors
/// When the shapes differ.
pub fn cosine(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    (unit(a)? * unit(b)?)?.sum(D::Minus1)
}

/// The cosine of each vector of a set with each vector of another one: `[B, M, D]` and `[B, N, D]` to
/// `[B, M, N]` (Eq. 8).
///
/// # Errors
/// When B or D differ.
pub fn pairwise_cosine(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    unit(a)?.matmul(&unit(b)?.transpose(1, 2)?.contiguous()?)
}

/// The vectors of a `[.., D]` tensor at length one; a zero vector stays zero and has a finite gradient.
///
/// # Errors
/// When the tensor has no axis.
pub fn unit(vectors: &Tensor) -> Result<Tensor> {
    vectors.broadcast_div(&(vectors.sqr()?.sum_keepdim(D::Minus1)? + SMALLEST_SQUARE)?.sqrt()?)
}

/// Added to squared lengths: the square root has no gradient at 0.
const SMALLEST_SQUARE: f64 = 1e-12;
