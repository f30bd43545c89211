//! The kernels of a training step and of its data, each at the sizes of a published network or recipe.

#[path = "../../../plugins/proposals/selective-search/examples/drawn/mod.rs"]
mod drawn;

use candle_core::{Device, Tensor, Var};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use univip_core::corners::Corners;
use univip_core::geometry::BoundingBox;
use univip_core::recipe::AugmentSettings;
use univip_core::transport::Sinkhorn;
use univip_core::views::augment::{Renderer, ViewParameters};
use univip_nn::ops::{self, Fused, Map, Normalisation};
use univip_nn::roi_align::{Region, Sampling, Square, roi_align};
use univip_selective_search::{Parameters, selective_search};

/// Values around 0, the same in each run.
fn noise(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let mut state = 1u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state as f32 / u32::MAX as f32 - 0.5
    };
    Tensor::from_vec((0..count).map(next).collect::<Vec<f32>>(), shape, &Device::Cpu).unwrap()
}

fn variable(shape: &[usize]) -> Var {
    Var::from_tensor(&noise(shape)).unwrap()
}

/// The backward pass of `sum(y * g)`.
fn backward(y: &Tensor, gradient: &Tensor) {
    black_box((y * gradient).unwrap().sum_all().unwrap().backward().unwrap());
}

/// Convolutions of a ResNet-50 at 224 pixels, batch 8.
fn convolution(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("convolution");
    for (name, [side, inputs, outputs, kernel], stride) in [
        ("stem 7x7 / 2", [224, 3, 64, 7], 2),
        ("res2 3x3", [56, 64, 64, 3], 1),
        ("res3 3x3 / 2", [56, 128, 128, 3], 2),
        ("res4 1x1", [14, 1024, 256, 1], 1),
        ("res5 3x3", [7, 512, 512, 3], 1),
    ] {
        let (images, weight) =
            (variable(&[8, side, side, inputs]), variable(&[outputs, kernel, kernel, inputs]));
        let forward = || {
            let images = Map::of(&images).unwrap();
            ops::conv2d(&images, &weight, stride, kernel / 2).unwrap().tensor().unwrap()
        };
        let gradient = noise(forward().dims());
        group.bench_function(BenchmarkId::new("forward", name), |bencher| bencher.iter(forward));
        group.bench_function(BenchmarkId::new("forward and backward", name), |bencher| {
            bencher.iter(|| backward(&forward(), &gradient));
        });
    }
}

/// Batch norm with ReLU of two views, alone and with a residual.
fn batch_norm(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("batch norm");
    for (name, shape) in [("res2", [16, 56, 56, 64]), ("res5", [16, 7, 7, 512])] {
        let (x, residual) = (variable(&shape), variable(&shape));
        let (weight, bias) = (variable(&shape[3..]), variable(&shape[3..]));
        let gradient = noise(&shape);
        for with_residual in [false, true] {
            let normalised = || {
                let residual = with_residual.then(|| Map::of(&residual).unwrap());
                let fused = Fused { residual: residual.as_ref(), relu: true };
                let settings = Normalisation { groups: 2, epsilon: 1e-5 };
                let x = Map::of(&x).unwrap();
                ops::batch_norm(&x, [&weight, &bias], fused, settings).unwrap().0.tensor().unwrap()
            };
            let what = if with_residual { "with a residual" } else { "alone" };
            group.bench_function(BenchmarkId::new(what, name), |bencher| {
                bencher.iter(|| backward(&normalised(), &gradient));
            });
        }
    }
}

/// Views of 224 pixels with nothing but the crop, and with a blur.
fn blur(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("blur");
    let (renderer, image) = (Renderer::new(&AugmentSettings::default()), drawn::drawn(640, 480, 1));
    let crop = BoundingBox::new(100, 50, 400, 400);
    for (name, sigma) in [("none", None), ("sigma 0.1", Some(0.1)), ("sigma 2", Some(2.0))] {
        let parameters = ViewParameters { blur: sigma, ..ViewParameters::default() };
        let mut out = vec![0f32; 224 * 224 * 3];
        group.bench_function(name, |bencher| {
            bencher.iter(|| renderer.render(&image, &crop, 224, &parameters, black_box(&mut out)).unwrap());
        });
    }
}

/// Regions of the second pyramid level, as the box head takes them.
fn regions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("RoIAlign");
    let map = variable(&[2, 200, 200, 256]);
    let square = Square { side: 7, scale: 0.25, sampling: Sampling { points: 0, aligned: true } };
    let region = |index: usize| {
        let (left, top) = ((index * 37 % 600) as f32, (index * 53 % 600) as f32);
        Region { image: index % 2, corners: Corners::new([left, top, left + 100.0, top + 80.0]) }
    };
    let regions: Vec<Region> = (0..256).map(region).collect();
    let pooled = || roi_align(&map, &regions, square).unwrap();
    let gradient = noise(pooled().dims());
    group.throughput(Throughput::Elements(regions.len() as u64));
    group.bench_function("forward", |bencher| bencher.iter(pooled));
    group.bench_function("forward and backward", |bencher| bencher.iter(|| backward(&pooled(), &gradient)));
}

/// The plans of a batch of 512 images by the recipe's 50 iterations.
fn sinkhorn(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("Sinkhorn");
    let sinkhorn = Sinkhorn { epsilon: 0.1, iterations: 50 };
    for k in [4, 8] {
        let positive = |count: usize| -> Vec<f64> {
            let values = noise(&[count]).to_vec1::<f32>().unwrap();
            values.into_iter().map(|value| f64::from(value) + 0.6).collect()
        };
        let (costs, weights) = (positive(512 * k * k), positive(512 * k));
        group.throughput(Throughput::Elements(512));
        group.bench_function(BenchmarkId::from_parameter(format!("K = {k}")), |bencher| {
            bencher.iter(|| sinkhorn.plans(&costs, &weights, &weights, k));
        });
    }
}

/// The boxes of one image, by the parameters of OpenCV's fast mode.
fn proposals(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("selective search");
    let parameters = Parameters::fast();
    for (width, height) in [(160, 120), (320, 240)] {
        let image = drawn::drawn(width, height, 1);
        group.bench_function(BenchmarkId::from_parameter(format!("{width}x{height}")), |bencher| {
            bencher.iter_batched_ref(
                || image.clone(),
                |image| selective_search(image, &parameters),
                BatchSize::SmallInput,
            );
        });
    }
}

criterion_group! {
    name = kernels;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = convolution, batch_norm, blur, regions, sinkhorn, proposals
}
criterion_main!(kernels);
