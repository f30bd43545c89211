//! Whole training steps against a fixture that PyTorch made.

use crate::workspace;
use anyhow::{Context, Result, ensure};
use candle_core::{DType, Device, Tensor};
use std::collections::BTreeMap;

/// Tensors by name.
pub type Tensors = BTreeMap<String, Tensor>;

/// The largest difference from the fixture that passes, as a share of a tensor's largest value.
pub const TOLERANCE: f32 = 1e-4;

/// `tests/fixtures/<name>.safetensors`.
pub fn fixture(name: &str) -> Result<Tensors> {
    let path = workspace().join(format!("tests/fixtures/{name}.safetensors"));
    Ok(candle_core::safetensors::load(path, &Device::Cpu)?.into_iter().collect())
}

/// The tensors whose names begin with `part`, without it.
pub fn part(all: &Tensors, part: &str) -> Tensors {
    let inside = all.iter().filter_map(|(name, value)| Some((name.strip_prefix(part)?, value)));
    inside.map(|(name, value)| (name.to_string(), value.clone())).collect()
}

/// The images of a step, `[views * B, S, S, 3]`, a pixel being u8 / 127.5 - 1.
pub fn images(fixture: &Tensors, name: &str, number: usize) -> Result<Tensor> {
    let images = fixture.get(name).context("the fixture lacks images")?.get(number)?.flatten(0, 1)?;
    Ok(((images.to_dtype(DType::F32)? / 127.5)? - 1.0)?)
}

/// The largest difference of two tensors as a share of the expected one's largest value.
pub fn relative_difference(found: &Tensor, expected: &Tensor) -> Result<f32> {
    let largest = expected.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
    let difference = (found - expected)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
    Ok(difference / largest.max(1e-6))
}

/// Refuses tensors that are not the expected ones, by name and value; the largest relative difference.
pub fn check_all(part: &str, found: &Tensors, expected: &Tensors) -> Result<f32> {
    ensure!(!expected.is_empty());
    let names: Vec<_> = found.keys().collect();
    ensure!(names == expected.keys().collect::<Vec<_>>(), "{part}: {names:?}");
    let mut worst = 0f32;
    for (name, expected) in expected {
        let difference = relative_difference(&found[name], expected)?;
        ensure!(difference < TOLERANCE, "{part}.{name} differs by {difference} of its largest value");
        worst = worst.max(difference);
    }
    Ok(worst)
}
