//! Numbers that tell a collapse from a representation.

use anyhow::Result;
use candle_core::Tensor;

/// The spectrum of features: how their variance is shared among directions.
pub struct Spectrum {
    /// The eigenvalues of the covariance, but for those that rounding leaves of a 0, in no order.
    variances: Vec<f64>,
}

impl Spectrum {
    /// The spectrum of features `[N, F]`, of which one direction for each of min(N - 1, F) is all there can be. None when a feature
    /// is not finite: a divergence is no collapse.
    ///
    /// # Errors
    /// When `features` are no matrix of f32.
    pub fn of(features: &Tensor) -> Result<Option<Self>> {
        let (rows, columns) = features.dims2()?;
        let values: Vec<f64> =
            features.flatten_all()?.to_vec1::<f32>()?.iter().map(|&v| f64::from(v)).collect();
        if values.iter().any(|value| !value.is_finite()) {
            return Ok(None);
        }
        let mut centred = nalgebra::DMatrix::from_row_slice(rows, columns, &values);
        for mut column in centred.column_iter_mut() {
            let mean = column.mean();
            column.add_scalar_mut(-mean);
        }
        // The covariance and the Gram matrix share their non-zero spectrum: take the smaller one.
        let symmetric =
            if rows < columns { &centred * centred.transpose() } else { centred.transpose() * &centred };
        let squares = symmetric.symmetric_eigenvalues();
        // Rounding turns eigenvalues of 0 into about 1e-16 of the largest.
        let rounding = squares.max() * 1e-12;
        Ok(Some(Self { variances: squares.iter().copied().filter(|square| *square > rounding).collect() }))
    }

    /// exp of the entropy of the singular values of the centred features, normalised to a sum of 1 (Roy and Vetterli 2007). 1 when
    /// all features lie on a line (a collapse), at most the number of directions.
    pub fn effective_rank(&self) -> f32 {
        let singular: Vec<f64> = self.variances.iter().map(|square| square.sqrt()).collect();
        let mass: f64 = singular.iter().sum();
        if mass <= f64::MIN_POSITIVE {
            return 1.0;
        }
        let shares = singular.iter().map(|value| value / mass);
        let entropy: f64 = shares.map(|share| -share * share.ln()).sum();
        entropy.exp() as f32
    }

    /// The shares of the variance in the first 1, 2, 4, 8, ... directions, those of most variance first, until all are in: the last share
    /// is 1. Empty when the features do not vary.
    pub fn explained_variance(&self) -> Vec<f32> {
        let mut sorted = self.variances.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let within = |count: usize| sorted.iter().take(count).sum::<f64>();
        let counts = (0..usize::BITS).map(|power| 1 << power).take_while(|count| count / 2 < sorted.len());
        counts.map(|count| (within(count) / within(sorted.len())) as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn rank_counts_the_directions_that_carry_variance() {
        let line: Vec<f32> = (0..20).flat_map(|i| [i as f32, 2.0 * i as f32, 0.0]).collect();
        let cross = vec![1f32, 0., 0., -1., 0., 0., 0., 1., 0., 0., -1., 0.];
        let constant = vec![3f32; 12];
        for (values, expected) in [(line, 1.0), (cross, 2.0), (constant, 1.0)] {
            let rows = values.len() / 3;
            let features = Tensor::from_vec(values, (rows, 3), &Device::Cpu).unwrap();
            let spectrum = Spectrum::of(&features).unwrap().unwrap();
            assert!((spectrum.effective_rank() - expected).abs() < 1e-4);
        }
    }

    #[test]
    fn a_divergence_has_no_rank() {
        let features = Tensor::new(&[[1f32, 0.0], [f32::NAN, 1.0]], &Device::Cpu).unwrap();
        assert!(Spectrum::of(&features).unwrap().is_none());
    }

    /// Variances of 8, 2 and 2, along the axes.
    #[test]
    fn shares_of_variance_count_the_first_directions() {
        let ends = [[2f32, 0., 0.], [0., 1., 0.], [0., 0., 1.]];
        let both = ends.iter().flat_map(|end| [end.to_vec(), end.iter().map(|value| -value).collect()]);
        let features = Tensor::from_vec(both.flatten().collect(), (6, 3), &Device::Cpu).unwrap();
        let shares = Spectrum::of(&features).unwrap().unwrap().explained_variance();
        let expected = [8.0 / 12.0, 10.0 / 12.0, 1.0];
        assert_eq!(shares.len(), expected.len());
        assert!(
            shares.iter().zip(expected).all(|(share, expected)| (share - expected).abs() < 1e-6),
            "{shares:?}"
        );
        let constant = Tensor::ones((4, 3), candle_core::DType::F32, &Device::Cpu).unwrap();
        assert!(Spectrum::of(&constant).unwrap().unwrap().explained_variance().is_empty());
    }
}
