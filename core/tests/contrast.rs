//! InfoNCE and NT-Xent against PyTorch (`fixtures/make_contrast.py`).

use anyhow::{Context, Result};
use candle_core::{Device, Tensor, Var};
use univip_core::contrast::{info_nce, nt_xent};

#[test]
fn values_and_gradients_are_those_of_pytorch() -> Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/contrast.safetensors");
    let tensors = candle_core::safetensors::load(path, &Device::Cpu)?;
    for temperature in [0.07, 0.5] {
        let (one, other) = (Var::from_tensor(&tensors["one"])?, Var::from_tensor(&tensors["other"])?);
        let loss = info_nce(&one, &tensors["other"], &tensors["queue"], temperature)?;
        let gradient = loss.backward()?.remove(&one).context("no gradient")?;
        close(&loss, &gradient, &tensors, &format!("info_nce.{temperature}"))?;
        let loss = nt_xent(&one, &other, temperature)?;
        let mut gradients = loss.backward()?;
        let parts = [&one, &other].map(|var| gradients.remove(var).context("no gradient"));
        let [first, second] = parts;
        close(&loss, &Tensor::cat(&[first?, second?], 0)?, &tensors, &format!("nt_xent.{temperature}"))?;
    }
    Ok(())
}

#[test]
fn one_image_has_no_negatives() -> Result<()> {
    let one = Tensor::ones((1, 4), candle_core::DType::F32, &Device::Cpu)?;
    let error = nt_xent(&one, &one, 0.1).unwrap_err().to_string();
    assert!(error.contains("no negatives"), "{error}");
    Ok(())
}

fn close(
    loss: &Tensor,
    gradient: &Tensor,
    tensors: &std::collections::HashMap<String, Tensor>,
    what: &str,
) -> Result<()> {
    for (found, name) in [(loss, "loss"), (gradient, "gradient")] {
        let expected = &tensors[&format!("{what}.{name}")];
        let difference = (found - expected)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
        let size = expected.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
        assert!(difference <= 1e-5 * size.max(1.0), "{what}.{name}: off by {difference} of {size}");
    }
    Ok(())
}
