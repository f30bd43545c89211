//! Gradients against central differences of the forward pass.

use crate::{gradients, noise, numbers};
use candle_core::{Result, Tensor, Var};
use univip_core::nn::ops;

/// Compares the gradient of `sum(operation(x) * g)` with finite differences in every value of `x`.
fn check(shape: &[usize], operation: impl Fn(&Tensor) -> Result<Tensor>) {
    let x = noise(shape, 0);
    let var = Var::from_tensor(&x).unwrap();
    let y = operation(&var).unwrap();
    let g = noise(y.dims(), 1);
    let found = numbers(&gradients(&y, &g, &[("x", &var)])["x"]);

    let step = 1e-2;
    let value = |at: usize, by: f32| -> f64 {
        let mut moved = numbers(&x);
        moved[at] += by;
        let y = operation(&Tensor::from_vec(moved, shape, x.device()).unwrap()).unwrap();
        numbers(&y).iter().zip(numbers(&g)).map(|(y, g)| f64::from(*y) * f64::from(g)).sum()
    };
    for (at, found) in found.iter().enumerate() {
        let expected = (value(at, step) - value(at, -step)) / (2.0 * f64::from(step));
        let difference = (f64::from(*found) - expected).abs();
        assert!(difference < 5e-3 * expected.abs().max(1.0), "value {at}: {found}, expected {expected}");
    }
}

#[test]
fn of_the_convolution() {
    let (x, weight) = (noise(&[2, 5, 4, 3], 2), noise(&[4, 3, 3, 3], 3));
    for stride in [1, 2] {
        check(x.dims(), |x| ops::conv2d(x, &weight, stride, 1));
        check(weight.dims(), |weight| ops::conv2d(&x, weight, stride, 1));
    }
}

#[test]
fn of_batch_norm() {
    let (x, weight, bias) = (noise(&[4, 3, 2, 3], 2), noise(&[3], 3), noise(&[3], 4));
    let y = |x: &Tensor, weight: &Tensor, bias: &Tensor| {
        Ok(ops::batch_norm(x, weight, bias, None, false, 2, 0.1)?.0)
    };
    check(x.dims(), |x| y(x, &weight, &bias));
    check(weight.dims(), |weight| y(&x, weight, &bias));
    check(bias.dims(), |bias| y(&x, &weight, bias));
}

#[test]
fn of_the_mean() {
    check(&[2, 3, 2, 3], ops::mean_pool);
}
