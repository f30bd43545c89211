//! RoIAlign, its choice of maps, and the pyramid: values and gradients.

use crate::formula::{self, noise};
use crate::{assert_close, assert_tensor, corners, fixture, values};
use candle_core::{Device, Tensor, Var};
use univip_core::nn::{Mode, Parameters};
use univip_detection::boxes::Corners;
use univip_detection::convention::Convention;
use univip_detection::layers::upsample;
use univip_detection::losses::{binary_cross_entropy, smooth_l1};
use univip_detection::pooling::{level, pool};
use univip_detection::pyramid::Pyramid;
use univip_detection::roi_align::{Region, Sampling, Square, composed, roi_align};

const SQUARES: [Square; 5] =
    [square(7, 2, false), square(3, 0, false), square(2, 3, false), square(7, 0, true), square(3, 2, true)];

const fn square(side: usize, points: usize, aligned: bool) -> Square {
    Square { side, scale: 0.25, sampling: Sampling { points, aligned } }
}

/// The gradients of `sum(y * g)`.
fn gradient(y: &Tensor, g: &Tensor, of: &Tensor) -> Tensor {
    (y * g).unwrap().sum_all().unwrap().backward().unwrap().get(of).unwrap().clone()
}

fn regions(boxes: &Tensor) -> Vec<Region> {
    let region = |row: Vec<f32>| {
        let corners = Corners::new([row[1], row[2], row[3], row[4]]);
        Region { image: row[0] as usize, corners }
    };
    boxes.to_vec2::<f32>().unwrap().into_iter().map(region).collect()
}

#[test]
fn roi_align_agrees_with_torchvision() {
    let expected = fixture("roi_align");
    let regions = regions(&expected["boxes"]);
    type Align = fn(&Tensor, &[Region], Square) -> anyhow::Result<Tensor>;
    for (how, align) in [("kernel", roi_align as Align), ("composed", composed as Align)] {
        for square in SQUARES {
            let Sampling { points, aligned } = square.sampling;
            let name = format!("side{} points{points}{}", square.side, if aligned { " aligned" } else { "" });
            let map = Var::from_tensor(&expected["map"]).unwrap();
            let y = align(&map, &regions, square).unwrap();
            assert_tensor(&y, &expected[&format!("{name}/y")], &format!("{how} {name}"));
            let dx = gradient(&y, &expected[&format!("{name}/g")], &map);
            assert_tensor(&dx, &expected[&format!("{name}/dx")], &format!("{how} {name}, gradient"));
        }
    }
}

#[test]
fn roi_align_refuses_regions_of_no_image() {
    let map = noise("map", [2, 5, 12, 9]);
    let region = Region { image: 2, corners: Corners::new([0.0, 0.0, 9.0, 9.0]) };
    let error = roi_align(&map, &[region], SQUARES[0]).unwrap_err().to_string();
    assert!(error.contains("outside of a batch of 2 images"), "{error}");
    assert!(roi_align(&map, &[], SQUARES[0]).is_err());
}

/// Central differences of `sum(operation(x) * g)` in every value of `x`.
fn check_differences(x: Tensor, operation: impl Fn(&Tensor) -> Tensor) {
    let var = Var::from_tensor(&x).unwrap();
    let y = operation(&var);
    let count = y.elem_count();
    let g: Vec<f32> = formula::uniform("differences", count).into_iter().map(|value| value as f32).collect();
    let g = Tensor::from_vec(g, y.shape(), &Device::Cpu).unwrap();
    let found = values(&gradient(&y, &g, &var));
    let value = |at: usize, by: f32| -> f64 {
        let mut moved = values(&x);
        moved[at] += by;
        let y = operation(&Tensor::from_vec(moved, x.shape(), &Device::Cpu).unwrap());
        values(&y).iter().zip(values(&g)).map(|(y, g)| f64::from(*y) * f64::from(g)).sum()
    };
    for (at, found) in found.iter().enumerate() {
        let expected = (value(at, 0.01) - value(at, -0.01)) / 0.02;
        let difference = (f64::from(*found) - expected).abs();
        assert!(difference < 5e-3 * expected.abs().max(1.0), "value {at}: {found}, expected {expected}");
    }
}

#[test]
fn gradients_agree_with_finite_differences() {
    let corners = [[1.0, 2.0, 9.0, 11.0], [-3.0, 0.0, 4.0, 7.5]].map(Corners::new);
    let regions = corners.map(|corners| Region { image: 0, corners });
    for aligned in [false, true] {
        let square = Square { scale: 0.5, ..square(2, 0, aligned) };
        check_differences(noise("x", [1, 2, 4, 3]), |map| roi_align(map, &regions, square).unwrap());
    }
    check_differences(noise("x", [1, 2, 3, 2]), |map| upsample(map, [7, 4]).unwrap());
}

#[test]
fn large_regions_are_taken_from_coarse_maps() {
    for (side, expected) in
        [(0.0, 0), (50.0, 0), (111.9, 0), (112.0, 1), (224.0, 2), (447.9, 2), (448.0, 3), (5000.0, 3)]
    {
        assert_eq!(level(Corners::new([0.0, 0.0, side, side]), 4), expected, "side {side}");
    }
    let expected = fixture("pooling");
    let regions: Vec<Region> =
        corners(&expected["boxes"]).into_iter().map(|corners| Region { image: 0, corners }).collect();
    let maps: Vec<Tensor> =
        (0..4).map(|level| noise(&format!("map{level}"), [1, 3, 64 >> level, 96 >> level])).collect();
    assert_tensor(
        &pool(&maps, &regions, 7, Convention::Torchvision.sampling()).unwrap(),
        &expected["y"],
        "pooled",
    );
}

#[test]
fn the_pyramid_agrees_with_torchvision() {
    let expected = fixture("pyramid");
    for (norm, prefix) in [(false, "plain"), (true, "norm")] {
        let parameters = Parameters::new(0, &Device::Cpu);
        let pyramid = Pyramid::new(&[3, 4, 6], 5, norm, &parameters.trainable()).unwrap();
        formula::load(&parameters, |own| own.into(), |_| 1.0);
        let shapes = [[2, 3, 11, 8], [2, 4, 6, 4], [2, 6, 3, 2]];
        let inputs: Vec<Var> = (shapes.into_iter().enumerate())
            .map(|(index, shape)| Var::from_tensor(&noise(&format!("input{index}"), shape)).unwrap())
            .collect();
        let maps: Vec<Tensor> = inputs.iter().map(|input| input.as_tensor().clone()).collect();
        let outputs = pyramid.forward(&maps, Mode::Train { groups: 1 }).unwrap();
        assert_eq!(outputs.len(), 4);
        let mut sum = Tensor::zeros((), candle_core::DType::F32, &Device::Cpu).unwrap();
        for (index, y) in outputs.iter().enumerate() {
            assert_tensor(y, &expected[&format!("{prefix}/y{index}")], &format!("{prefix} y{index}"));
            let (batch, height, width, channels) = y.dims4().unwrap();
            let g = noise(&format!("g{index}"), [batch, channels, height, width]);
            sum = (sum + (y * g).unwrap().sum_all().unwrap()).unwrap();
        }
        let store = sum.backward().unwrap();
        for (index, input) in inputs.iter().enumerate() {
            let name = format!("{prefix}/dx{index}");
            assert_tensor(store.get(input).unwrap(), &expected[&name], &name);
        }
        for (name, parameter) in parameters.parameters() {
            let name = format!("{prefix}/gradient.{name}");
            assert_tensor(store.get(&parameter).unwrap(), &expected[&name], &name);
        }
        assert!(pyramid.forward(&maps[..2], Mode::Eval).is_err());
    }
}

#[test]
fn losses_are_stable_far_from_zero() {
    let logits = Var::new(&[-200f32, 0.0, 200.0], &Device::Cpu).unwrap();
    let targets = Tensor::new(&[1f32, 0.25, 1.0], &Device::Cpu).unwrap();
    let loss = binary_cross_entropy(&logits, &targets).unwrap();
    let expected = (200.0 + 2f32.ln()) / 3.0;
    assert_close(&[loss.to_scalar().unwrap()], &[expected], "binary cross entropy");
    let store = loss.backward().unwrap();
    // (sigmoid(x) - t) / 3
    assert_close(&values(store.get(&logits).unwrap()), &[-1.0 / 3.0, 0.25 / 3.0, 0.0], "its gradient");
}

#[test]
fn the_loss_of_boxes_is_smooth_up_to_beta() {
    let wanted = Tensor::new(&[0f32, 0.0, 0.0, 0.0], &Device::Cpu).unwrap();
    let found = [-2f32, 0.0, 0.05, 3.0];
    // Of beta: the sum, and the gradients, d / beta where they are below it; PyTorch's at 0 are 0.
    for (beta, expected, gradients) in [
        (0.0, 5.05, [-1.0, 0.0, 1.0, 1.0]),
        (0.1, (2.0 - 0.05) + 0.05f32.powi(2) / 0.2 + (3.0 - 0.05), [-1.0, 0.0, 0.5, 1.0]),
    ] {
        let found = Var::new(&found, &Device::Cpu).unwrap();
        let loss = smooth_l1(&found, &wanted, beta).unwrap();
        assert_close(&[loss.to_scalar().unwrap()], &[expected], "smooth L1");
        assert_close(&values(loss.backward().unwrap().get(&found).unwrap()), &gradients, "its gradient");
    }
}
