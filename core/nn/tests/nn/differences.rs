//! Gradients against central differences of the forward pass.

use crate::on_tensors;
use crate::values::{gradients, noise, numbers};
use candle_core::{DType, Device, Result, Tensor, Var};

/// Compares the gradient of `sum(operation(x) * g)` with finite differences in every value of `x`.
fn check(shape: &[usize], operation: impl Fn(&Tensor) -> Result<Tensor>) {
    check_at(&noise(shape, 0), operation);
}

fn check_at(x: &Tensor, operation: impl Fn(&Tensor) -> Result<Tensor>) {
    let shape = x.dims();
    let var = Var::from_tensor(x).unwrap();
    let y = operation(&var).unwrap();
    let g = noise(y.dims(), 1);
    let found = numbers(&gradients(&y, &g, &[("x", &var)])["x"]);

    let step = 1e-2;
    let value = |at: usize, by: f32| -> f64 {
        let mut moved = numbers(x);
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

/// Values in a mixed order, 0.1 apart and 0.05 from zero: a step of 0.01 changes no maximum and no sign.
fn apart(shape: &[usize]) -> Tensor {
    let count = shape.iter().product::<usize>();
    assert!(!count.is_multiple_of(7), "7 shares a factor with {count}");
    let value = |at: usize| ((at * 7 % count) as f32 - (count / 2) as f32) * 0.1 + 0.05;
    Tensor::from_vec((0..count).map(value).collect(), shape, &Device::Cpu).unwrap()
}

#[test]
fn of_max_pool() {
    check_at(&apart(&[2, 5, 4, 3]), |x| on_tensors::max_pool(x, 3, 2, 1));
}

#[test]
fn of_relu_and_the_residual() {
    let (one, zero) = (
        Tensor::ones(3, DType::F32, &Device::Cpu).unwrap(),
        Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap(),
    );
    let (x, nothing) = (apart(&[2, 4, 2, 3]), noise(&[2, 4, 2, 3], 0).zeros_like().unwrap());
    check_at(&x, |x| on_tensors::scale_shift(x, &one, &zero, None, true));
    check_at(&x, |x| on_tensors::scale_shift(x, &one, &zero, Some(&nothing), true));
    check_at(&x, |x| on_tensors::scale_shift(&nothing, &one, &zero, Some(x), true));
    check_at(&x, |x| on_tensors::scale_shift(x, &one, &zero, Some(x), true));
}

#[test]
fn of_linear() {
    let (x, weight) = (noise(&[3, 5], 2), noise(&[4, 5], 3));
    check(x.dims(), |x| on_tensors::linear(x, &weight));
    check(weight.dims(), |weight| on_tensors::linear(&x, weight));
}

#[test]
fn of_the_convolution_of_one_pixel() {
    let (x, weight) = (noise(&[3, 1, 1, 4], 2), noise(&[2, 3, 3, 4], 3));
    check(x.dims(), |x| on_tensors::conv2d(x, &weight, 1, 1));
    check(weight.dims(), |weight| on_tensors::conv2d(&x, weight, 1, 1));
}

#[test]
fn of_the_convolution() {
    let (x, weight) = (noise(&[2, 5, 4, 3], 2), noise(&[4, 3, 3, 3], 3));
    for stride in [1, 2] {
        check(x.dims(), |x| on_tensors::conv2d(x, &weight, stride, 1));
        check(weight.dims(), |weight| on_tensors::conv2d(&x, weight, stride, 1));
    }
}

#[test]
fn of_batch_norm() {
    let (x, weight, bias) = (noise(&[4, 3, 2, 3], 2), noise(&[3], 3), noise(&[3], 4));
    let y = |x: &Tensor, weight: &Tensor, bias: &Tensor| {
        Ok(on_tensors::batch_norm(x, weight, bias, None, false, 2, 0.1)?.0)
    };
    check(x.dims(), |x| y(x, &weight, &bias));
    check(weight.dims(), |weight| y(&x, weight, &bias));
    check(bias.dims(), |bias| y(&x, &weight, bias));
}

#[test]
fn of_the_mean() {
    check(&[2, 3, 2, 3], on_tensors::mean_pool);
}
