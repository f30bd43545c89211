//! Assignments of features to prototypes that use all prototypes alike.

use candle_core::{Result, Tensor};

/// Sinkhorn and Knopp's iteration with equal shares on both sides (Caron et al. 2020, Eq. 3 to 5).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sinkhorn {
    /// The weight of the entropy.
    pub epsilon: f64,
    /// The iterations, each over prototypes and then over features.
    pub iterations: usize,
}

impl Sinkhorn {
    /// The assignments of N features to K prototypes by their scores, `[N, K]` each, without a graph. Each row sums to 1, each
    /// column nearly to N / K.
    ///
    /// # Errors
    /// When the scores are no matrix.
    pub fn assignments(self, scores: &Tensor) -> Result<Tensor> {
        let (features, prototypes) = scores.dims2()?;
        let scores = scores.detach();
        // Relative to the largest score, which a common factor undoes, no exponential overflows.
        let largest = scores.max_all()?;
        let mut plan = (scores.broadcast_sub(&largest)? / self.epsilon)?.exp()?;
        for _ in 0..self.iterations {
            plan = (plan.broadcast_div(&plan.sum_keepdim(0)?)? / prototypes as f64)?;
            plan = (plan.broadcast_div(&plan.sum_keepdim(1)?)? / features as f64)?;
        }
        plan * features as f64
    }
}
