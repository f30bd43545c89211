//! Cosine similarity at the places where it has gone wrong.

use anyhow::Result;
use candle_core::{Device, Tensor, Var};
use univip_core::similarity::{SimilarityForm, cosine, pairwise_cosine};

#[test]
fn opposite_vectors_are_at_minus_1() -> Result<()> {
    // A public re-implementation clamped normalised features to 0..=1: it would say 0.
    let a = Tensor::new(&[[3f32, -4.0], [1.0, 0.0]], &Device::Cpu)?;
    let b = Tensor::new(&[[-6f32, 8.0], [0.0, -2.0]], &Device::Cpu)?;
    let cosines: Vec<f32> = cosine(&a, &b)?.to_vec1()?;
    assert!((cosines[0] + 1.0).abs() < 1e-6 && cosines[1].abs() < 1e-6, "{cosines:?}");
    let loss = SimilarityForm::NegCos.loss(&a, &b)?.to_scalar::<f32>()?;
    assert!((loss - 0.5).abs() < 1e-6, "{loss}");
    let loss = SimilarityForm::Byol.loss(&a, &b)?.to_scalar::<f32>()?;
    assert!((loss - 3.0).abs() < 1e-6, "{loss}");
    Ok(())
}

#[test]
fn a_zero_vector_has_a_finite_gradient() -> Result<()> {
    let zero = Var::new(&[[0f32, 0.0]], &Device::Cpu)?;
    let other = Tensor::new(&[[1f32, 2.0]], &Device::Cpu)?;
    let loss = SimilarityForm::NegCos.loss(&zero, &other)?;
    let gradient = loss.backward()?.remove(&zero).map(|gradient| gradient.to_vec2::<f32>()).transpose()?;
    let Some(gradient) = gradient else { anyhow::bail!("no gradient") };
    assert!(gradient.iter().flatten().all(|value| value.is_finite()), "{gradient:?}");
    Ok(())
}

#[test]
fn pairs_are_rows_against_columns() -> Result<()> {
    let a = Tensor::new(&[[[1f32, 0.0], [0.0, 2.0], [1.0, 1.0]]], &Device::Cpu)?;
    let b = Tensor::new(&[[[0f32, 5.0], [-1.0, 0.0]]], &Device::Cpu)?;
    let half = std::f32::consts::FRAC_1_SQRT_2;
    let expected = [[0.0, -1.0], [1.0, 0.0], [half, -half]];
    for (row, expected) in pairwise_cosine(&a, &b)?.to_vec3::<f32>()?[0].iter().zip(expected) {
        for (value, expected) in row.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-6, "{row:?}");
        }
    }
    Ok(())
}
