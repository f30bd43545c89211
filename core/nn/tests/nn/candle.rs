//! Operations that candle gets wrong, and this project therefore has kernels for.
//!
//! Each test asserts today's wrong value. When one fails after an upgrade, candle was mended: see its FIXME.

use crate::values::{gradients, noise, numbers};
use candle_core::{DType, Device, Tensor, Var};

#[test]
fn the_gradient_of_max_pool_is_divided_by_the_area_of_the_window() {
    // FIXME: a gradient of 1 means that `nn::ops::composed::max_pool` can be candle's own where kernel and stride are the same.
    let x = Var::from_tensor(&noise(&[1, 1, 4, 4], 0)).unwrap();
    let y = x.max_pool2d(2).unwrap();
    let found = numbers(&gradients(&y, &y.ones_like().unwrap(), &[("x", &x)])["x"]);
    assert!(found.iter().all(|value| [0.0, 0.25].contains(value)), "{found:?}");
}

#[test]
fn max_pool_has_no_gradient_where_windows_overlap() {
    // FIXME: if there is one, `nn::ops::composed::max_pool` can be candle's own.
    let x = Var::from_tensor(&noise(&[1, 1, 5, 5], 0)).unwrap();
    let y = x.max_pool2d_with_stride(3, 2).unwrap();
    assert!(y.sum_all().unwrap().backward().is_err());
}

#[test]
fn a_strided_convolution_has_no_gradient_where_height_and_width_leave_different_remainders() {
    // FIXME: if it has the right one, `nn::ops::composed::conv2d` can do without its zeros.
    let x = Var::from_tensor(&noise(&[1, 2, 8, 7], 0)).unwrap();
    let weight = Var::from_tensor(&noise(&[3, 2, 3, 3], 1)).unwrap();
    let y = x.conv2d(&weight, 1, 2, 1, 1).unwrap();
    assert!(y.sum_all().unwrap().backward().is_err());
}

#[test]
fn softmax_of_the_last_axis_cuts_the_graph_without_a_word() {
    // FIXME: if there is a gradient, losses may use it; until then `candle_nn::ops::softmax`.
    let x = Var::from_tensor(&noise(&[2, 3], 0)).unwrap();
    let loss = |y: Tensor| (y * noise(&[2, 3], 1)).unwrap().sum_all().unwrap().backward().unwrap();
    assert!(loss(candle_nn::ops::softmax_last_dim(&x).unwrap()).get(&x).is_none());
    assert!(loss(candle_nn::ops::softmax(&x, 1).unwrap()).get(&x).is_some());
}

#[test]
fn a_vector_of_length_zero_has_no_number_for_the_gradient_of_its_length() {
    // FIXME: if it is a number, `similarity::SMALLEST_SQUARE` can go.
    let x = Var::zeros(3, DType::F32, &Device::Cpu).unwrap();
    let length = x.sqr().unwrap().sum_all().unwrap().sqrt().unwrap();
    let gradients = length.backward().unwrap();
    assert!(numbers(gradients.get(&x).unwrap()).iter().all(|value| value.is_nan()));
}

#[test]
fn a_gradient_keeps_its_graph() {
    // FIXME: if it does not, `optim::Gradients` need not detach.
    let x = Var::from_tensor(&noise(&[3], 0)).unwrap();
    let gradients = x.sqr().unwrap().sum_all().unwrap().backward().unwrap();
    assert!(gradients.get(&x).unwrap().track_op());
}

#[test]
fn the_processor_has_no_seed() {
    // FIXME: if it takes one, still draw from `seed::stream`: it names what a number is for.
    assert!(Device::Cpu.set_seed(0).is_err());
}
