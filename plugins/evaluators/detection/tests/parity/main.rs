//! torchvision's detectors and their parts; `fixtures/make.py` made the numbers.

mod c4;
mod detectors;
mod formula;
mod kernels;
mod mask_rcnn;
mod pieces;
mod retinanet;

use candle_core::{Device, Tensor};
use std::collections::HashMap;
use univip_detection::boxes::Corners;

/// The tensors of `fixtures/<name>.safetensors`.
fn fixture(name: &str) -> HashMap<String, Tensor> {
    let path = format!("{}/tests/fixtures/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
    candle_core::safetensors::load(&path, &Device::Cpu).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Asserts that every value is within 1e-4 of `expected`, relative to the largest of `expected` above 1.
fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1f32, |largest, value| largest.max(value.abs()));
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let difference = (found - expected).abs();
        assert!(difference <= 1e-4 * largest, "{what}: value {at} is {found}, expected {expected}");
    }
}

/// [`assert_close`] of tensors, relative to their own largest value: for gradients, which may all be small.
fn assert_tensor(found: &Tensor, expected: &Tensor, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let (found, expected) = (values(found), values(expected));
    let largest = expected.iter().fold(1e-6f32, |largest, value| largest.max(value.abs()));
    let scaled = |values: Vec<f32>| values.into_iter().map(|value| value / largest).collect::<Vec<_>>();
    assert_close(&scaled(found), &scaled(expected), what);
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn corners(tensor: &Tensor) -> Vec<Corners> {
    tensor.to_vec2::<f32>().unwrap().into_iter().map(|row| Corners::new(row.try_into().unwrap())).collect()
}

fn flat(boxes: &[Corners]) -> Vec<f32> {
    boxes.iter().flat_map(|corners| corners.array()).collect()
}
