//! Each operation, its values and all its gradients, by the kernels and composed of candle's operations.

use crate::values::{assert_close, gradients, noise, numbers};
use crate::{Case, on_tensors};
use candle_core::{Result, Tensor};
use univip_nn::ops::BatchStatistics;

type Conv = fn(&Tensor, &Tensor, usize, usize) -> Result<Tensor>;

fn check_conv(conv: Conv, trusted: impl Fn(&Case) -> bool) {
    for case in Case::all("conv").into_iter().filter(trusted) {
        let (x, weight) = (case.var("x"), case.var("weight"));
        let y = conv(&x, &weight, case.setting("stride"), case.setting("padding")).unwrap();
        case.check("y", &y);
        for (name, found) in gradients(&y, case.get("g"), &[("dx", &x), ("dweight", &weight)]) {
            case.check(&name, &found);
        }
    }
}

#[test]
fn convolution_agrees_with_pytorch() {
    check_conv(on_tensors::conv2d, |_| true);
}

#[test]
fn composed_convolution_agrees_with_pytorch() {
    // candle has no gradient where the padding is as large as the kernel, which no network has.
    check_conv(on_tensors::composed_conv2d, |case| case.setting("padding") < case.setting("k"));
}

#[test]
fn a_graph_can_be_gone_back_through_once() {
    let weight = candle_core::Var::from_tensor(&noise(&[2, 3, 3, 3], 1)).unwrap();
    let y = on_tensors::conv2d(&noise(&[1, 4, 4, 3], 0), &weight, 1, 1).unwrap().sum_all().unwrap();
    assert!(y.backward().is_ok());
    assert!(y.backward().unwrap_err().to_string().contains("once"));
}

#[test]
fn linear_is_the_product_with_the_transpose() {
    let (x, weight) = (noise(&[7, 5], 0), noise(&[3, 5], 1));
    let expected = x.matmul(&weight.t().unwrap()).unwrap();
    assert_close(&on_tensors::linear(&x, &weight).unwrap(), &expected, 1e-6, "linear");
    assert_close(&on_tensors::composed_linear(&x, &weight).unwrap(), &expected, 0.0, "composed");
}

#[test]
fn operations_take_tensors_that_are_not_contiguous() {
    let (x, weight) = (noise(&[2, 3, 6, 5], 0), noise(&[4, 3, 3, 3], 1));
    let (x, weight) = (x.permute((0, 2, 3, 1)).unwrap(), weight.permute((0, 2, 3, 1)).unwrap());
    let expected = on_tensors::composed_conv2d(&x, &weight, 1, 1).unwrap();
    assert_close(&on_tensors::conv2d(&x, &weight, 1, 1).unwrap(), &expected, 1e-5, "conv2d");
    let expected = on_tensors::composed_max_pool(&x, 3, 2, 1).unwrap();
    assert_close(&on_tensors::max_pool(&x, 3, 2, 1).unwrap(), &expected, 0.0, "max_pool");
}

#[test]
fn images_without_a_graph_get_no_gradient() {
    let images = noise(&[1, 4, 4, 3], 0);
    let weight = candle_core::Var::from_tensor(&noise(&[2, 3, 3, 3], 1)).unwrap();
    let store = on_tensors::conv2d(&images, &weight, 1, 1).unwrap().sum_all().unwrap().backward().unwrap();
    assert!(store.get(&weight).is_some());
    assert!(store.get(&images).is_none());
}

#[test]
fn convolution_refuses_what_does_not_fit() {
    let refuse = |x: &[usize], weight: &[usize], stride, problem: &str| {
        let error = on_tensors::conv2d(&noise(x, 0), &noise(weight, 1), stride, 0).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    };
    refuse(&[1, 4, 4, 3], &[2, 3, 3, 4], 1, "3 channels");
    refuse(&[1, 2, 4, 3], &[2, 3, 3, 3], 1, "fits");
    refuse(&[1, 4, 4, 3], &[2, 3, 3, 3], 0, "stride 0");
    refuse(&[4, 4, 3], &[2, 3, 3, 3], 1, "[B, H, W, C]");
}

type Norm =
    fn(&Tensor, &Tensor, &Tensor, Option<&Tensor>, bool, usize, f64) -> Result<(Tensor, BatchStatistics)>;

fn check_batch_norm(norm: Norm) {
    for case in Case::all("batch_norm") {
        let (x, weight, bias) = (case.var("x"), case.var("weight"), case.var("bias"));
        let residual = (case.setting("residual") == 1).then(|| case.var("residual"));
        let (relu, groups) = (case.setting("relu") == 1, case.setting("groups"));
        let residual = residual.as_ref().map(|residual| residual.as_tensor());
        let (y, statistics) = norm(&x, &weight, &bias, residual, relu, groups, 1e-5).unwrap();
        case.check("y", &y);
        let mut variables = vec![("dx", x.as_tensor()), ("dweight", &weight), ("dbias", &bias)];
        variables.extend(residual.map(|residual| ("dresidual", residual)));
        for (name, found) in gradients(&y, case.get("g"), &variables) {
            case.check(&name, &found);
        }
        // PyTorch's running mean after each group in turn.
        let mut running = statistics.mean.get(0).unwrap().zeros_like().unwrap();
        for group in 0..groups {
            let mean = statistics.mean.get(group).unwrap();
            running = ((running * 0.9).unwrap() + (mean * 0.1).unwrap()).unwrap();
        }
        case.check("running_mean", &running);
    }
}

#[test]
fn batch_norm_agrees_with_pytorch() {
    check_batch_norm(on_tensors::batch_norm);
}

#[test]
fn composed_batch_norm_agrees_with_pytorch() {
    check_batch_norm(on_tensors::composed_batch_norm);
}

#[test]
fn scale_and_shift_agree_with_the_composed_operation() {
    for (shape, with_residual, relu) in [
        (vec![2, 3, 5, 7], true, true),
        (vec![2, 3, 5, 7], false, true),
        (vec![2, 3, 5, 17], true, false),
        (vec![5, 33], false, false),
    ] {
        let channels = shape[shape.len() - 1];
        let var = |shape: &[usize], seed| candle_core::Var::from_tensor(&noise(shape, seed)).unwrap();
        let (x, residual) = (var(&shape, 0), var(&shape, 1));
        let (scale, shift) = (var(&[channels], 2), var(&[channels], 3));
        let residual = with_residual.then(|| residual.as_tensor());
        let g = noise(&shape, 4);
        let mut variables = vec![("x", x.as_tensor()), ("scale", &scale), ("shift", &shift)];
        variables.extend(residual.map(|residual| ("residual", residual)));
        let y = on_tensors::scale_shift(&x, &scale, &shift, residual, relu).unwrap();
        let expected = on_tensors::composed_scale_shift(&x, &scale, &shift, residual, relu).unwrap();
        assert_close(&y, &expected, 1e-5, "y");
        let reference = gradients(&expected, &g, &variables);
        for (name, found) in gradients(&y, &g, &variables) {
            assert_close(&found, &reference[&name], 1e-5, &name);
        }
    }
}

#[test]
fn batch_norm_refuses_what_does_not_fit() {
    let one = |channels| noise(&[channels], 0);
    let refuse = |x: &[usize], channels, residual: Option<&[usize]>, groups, problem: &str| {
        let residual = residual.map(|shape| noise(shape, 1));
        let (weight, bias) = (one(channels), one(channels));
        let norm =
            on_tensors::batch_norm(&noise(x, 2), &weight, &bias, residual.as_ref(), true, groups, 1e-5);
        let error = norm.expect_err("an error").to_string();
        assert!(error.contains(problem), "{error}");
    };
    refuse(&[4, 2, 2, 3], 4, None, 1, "3 channels");
    refuse(&[4, 2, 2, 3], 3, None, 3, "3 equal groups");
    refuse(&[4, 2, 2, 3], 3, None, 0, "0 equal groups");
    refuse(&[4, 2, 2, 3], 3, Some(&[4, 2, 2, 1]), 1, "residual");
    refuse(&[4, 2, 3], 3, None, 1, "[B, H, W, C]");
}

type Pool = fn(&Tensor, usize, usize, usize) -> Result<Tensor>;

fn check_max_pool(pool: Pool) {
    for case in Case::all("max_pool") {
        let x = case.var("x");
        let y = pool(&x, case.setting("k"), case.setting("stride"), case.setting("padding")).unwrap();
        case.check("y", &y);
        case.check("dx", &gradients(&y, case.get("g"), &[("dx", &x)])["dx"]);
    }
}

#[test]
fn max_pool_agrees_with_pytorch() {
    check_max_pool(on_tensors::max_pool);
}

#[test]
fn composed_max_pool_agrees_with_pytorch() {
    check_max_pool(on_tensors::composed_max_pool);
}

#[test]
fn the_first_of_equal_maxima_gets_the_gradient() {
    let x = candle_core::Var::ones((1, 2, 2, 1), candle_core::DType::F32, &candle_core::Device::Cpu).unwrap();
    let y = on_tensors::max_pool(&x, 2, 2, 0).unwrap();
    let found = &gradients(&y, &y.ones_like().unwrap(), &[("dx", &x)])["dx"];
    assert_eq!(numbers(found), [1.0, 0.0, 0.0, 0.0]);
}

#[test]
fn mean_pool_agrees_with_pytorch() {
    for case in Case::all("mean_pool") {
        let x = case.var("x");
        let y = on_tensors::mean_pool(&x).unwrap();
        case.check("y", &y);
        case.check("dx", &gradients(&y, case.get("g"), &[("dx", &x)])["dx"]);
    }
}

#[test]
fn not_a_number_is_never_swallowed() {
    let x = Tensor::new(&[[[[f32::NAN], [1.0]], [[2.0], [3.0]]]], &candle_core::Device::Cpu).unwrap();
    assert!(numbers(&on_tensors::max_pool(&x, 2, 2, 0).unwrap())[0].is_nan());
    let one = Tensor::ones(1, candle_core::DType::F32, &candle_core::Device::Cpu).unwrap();
    assert!(numbers(&on_tensors::scale_shift(&x, &one, &one, None, true).unwrap())[0].is_nan());
}
