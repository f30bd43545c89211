//! Values of tensors: random ones, gradients, and how near they are. Tests of crates above name this file, too.

#![allow(dead_code, reason = "each test binary uses some of it")]

use candle_core::{Device, Tensor};
use rand::Rng;
use std::collections::BTreeMap;

/// Asserts that every value is within `tolerance` of `expected`, relative to the largest of `expected`.
pub fn assert_close(found: &Tensor, expected: &Tensor, tolerance: f32, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let (found, expected) = (numbers(found), numbers(expected));
    let largest = expected.iter().fold(1e-3f32, |largest, value| largest.max(value.abs()));
    for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let difference = (found - expected).abs();
        assert!(difference <= tolerance * largest, "{what}: value {at} is {found}, expected {expected}");
    }
}

pub fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The gradients of `sum(y * g)` with respect to the named variables.
pub fn gradients(y: &Tensor, g: &Tensor, variables: &[(&str, &Tensor)]) -> BTreeMap<String, Tensor> {
    let store = (y * g).unwrap().sum_all().unwrap().backward().unwrap();
    let gradient = |(name, var): &(&str, &Tensor)| {
        let gradient = store.get(var).unwrap_or_else(|| panic!("no gradient of {name}"));
        ((*name).to_owned(), gradient.clone())
    };
    variables.iter().map(gradient).collect()
}

/// Reproducible values around 0, of a scale near 1.
pub fn noise(shape: &[usize], seed: u64) -> Tensor {
    let mut stream = univip_stdx::seed::stream(seed, "test", &[]);
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|_| stream.random::<f32>() * 2.0 - 1.0).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}
