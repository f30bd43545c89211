//! The data that tests classify: numbers of PyTorch, which `tests/fixtures/make.py` makes, and drawn clusters.

use anyhow::Result;
use candle_core::{DType, Device, Tensor};
use rand::Rng;
use serde::Deserialize;
use univip_core::seed::stream;

#[derive(Deserialize)]
pub struct Fixture {
    features: Vec<Vec<f64>>,
    pub labels: Vec<u32>,
    pub sgd: Vec<SgdCase>,
    pub optimum: Vec<Optimum>,
    pub batch_norm: BatchNormCase,
    pub pooling: Vec<PoolingCase>,
}

#[derive(Deserialize)]
pub struct SgdCase {
    pub lr: f64,
    pub momentum: f64,
    pub nesterov: bool,
    pub weight_decay: f64,
    pub losses: Vec<f64>,
    pub weight: Vec<Vec<f32>>,
    pub bias: Vec<f32>,
}

#[derive(Deserialize)]
pub struct Optimum {
    pub l2: f64,
    pub loss: f64,
    pub weight: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
pub struct BatchNormCase {
    pub inputs: Vec<Vec<f32>>,
    pub outputs: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
pub struct PoolingCase {
    pub stage: usize,
    pub side: usize,
    pub pooled: Vec<f32>,
}

pub fn fixture() -> Fixture {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/classifier.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

impl Fixture {
    /// `[24, 5]`.
    pub fn features(&self, dtype: DType) -> Result<Tensor> {
        let shape = (self.features.len(), 5);
        Ok(Tensor::from_vec(self.features.concat(), shape, &Device::Cpu)?.to_dtype(dtype)?)
    }
}

/// `count` points of 64 features around the corners of a simplex, and the corner, of ten, that each belongs to.
pub fn clusters(count: usize, noise: f32, seed: u64) -> Result<(Tensor, Vec<u32>)> {
    let mut stream = stream(seed, "clusters", &[]);
    let labels: Vec<u32> = (0..count as u32).map(|row| row % 10).collect();
    let value = |at: usize| {
        let corner = f32::from(at % 64 == labels[at / 64] as usize);
        corner + noise * (stream.random::<f32>() - 0.5)
    };
    let values: Vec<f32> = (0..count * 64).map(value).collect();
    Ok((Tensor::from_vec(values, (count, 64), &Device::Cpu)?, labels))
}

/// Asserts that every value is within `tolerance` of what is expected, relative to values above 1.
pub fn close(found: &Tensor, expected: &[f32], tolerance: f32) {
    let found: Vec<f32> = found.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    assert_eq!(found.len(), expected.len());
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let limit = tolerance * expected.abs().max(1.0);
        assert!((found - expected).abs() <= limit, "at {at}: {found}, expected {expected}");
    }
}
