//! Numbers that tell a collapse from a representation.

use anyhow::Result;
use candle_core::Tensor;

/// The effective rank of features `[N, F]`: exp of the entropy of the singular values of the centred
/// features, normalised to a sum of 1 (Roy and Vetterli 2007). 1 when all features lie on a line (a
/// collapse), at most min(N - 1, F). NaN when a feature is not finite: a divergence is no collapse.
pub fn effective_rank(features: &Tensor) -> Result<f32> {
    let (rows, columns) = features.dims2()?;
    let values: Vec<f64> = features.flatten_all()?.to_vec1::<f32>()?.iter().map(|&v| f64::from(v)).collect();
    if values.iter().any(|value| !value.is_finite()) {
        return Ok(f32::NAN);
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
    let singular: Vec<f64> = squares.iter().filter(|square| **square > rounding).map(|s| s.sqrt()).collect();
    let mass: f64 = singular.iter().sum();
    if mass <= f64::MIN_POSITIVE {
        return Ok(1.0);
    }
    let shares = singular.iter().map(|value| value / mass);
    let entropy: f64 = shares.map(|share| -share * share.ln()).sum();
    Ok(entropy.exp() as f32)
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
            assert!((effective_rank(&features).unwrap() - expected).abs() < 1e-4);
        }
    }

    #[test]
    fn a_divergence_has_no_rank() {
        let features = Tensor::new(&[[1f32, 0.0], [f32::NAN, 1.0]], &Device::Cpu).unwrap();
        assert!(effective_rank(&features).unwrap().is_nan());
    }
}
