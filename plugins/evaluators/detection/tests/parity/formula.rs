//! Numbers that follow from names, the same as `make.py` draws.

use candle_core::{Device, Tensor};
use univip_core::nn::Parameters;

/// `count` numbers in -1..1.
pub fn uniform(name: &str, count: usize) -> Vec<f64> {
    let start =
        name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let number = |index: u32| {
        let mut x = start.wrapping_add(index.wrapping_mul(0x9e37_79b9));
        x ^= x >> 16;
        x = x.wrapping_mul(0x85eb_ca6b);
        x ^= x >> 13;
        x = x.wrapping_mul(0xc2b2_ae35);
        x ^= x >> 16;
        f64::from(x >> 8) / f64::from(1u32 << 23) - 1.0
    };
    (0..count as u32).map(number).collect()
}

/// A tensor of them, drawn in PyTorch's layout `[B, C, H, W]` and returned channels-last.
pub fn noise(name: &str, [batch, channels, height, width]: [usize; 4]) -> Tensor {
    let values = uniform(name, batch * channels * height * width).into_iter().map(|value| value as f32);
    let tensor =
        Tensor::from_vec(values.collect::<Vec<_>>(), (batch, channels, height, width), &Device::Cpu).unwrap();
    tensor.permute((0, 2, 3, 1)).unwrap().contiguous().unwrap()
}

/// Sets every parameter and running statistic from its name in torchvision, times `factor(name)`.
pub fn load(parameters: &Parameters, names: impl Fn(&str) -> String, factor: impl Fn(&str) -> f64) {
    let drawn = parameters.tensors().into_iter().map(|(own, tensor)| {
        let name = names(&own);
        let value = draw(&name, &tensor, factor(&name));
        (own, value)
    });
    parameters.load(&drawn.collect()).unwrap();
}

/// The values of a tensor like `own`, drawn in PyTorch's layout.
fn draw(name: &str, own: &Tensor, factor: f64) -> Tensor {
    // PyTorch's shape, and the order of its axes that gives ours.
    let (shape, order) = match *own.dims() {
        [height, width, outputs, inputs] if name.ends_with("conv5_mask.weight") => {
            (vec![inputs, outputs, height, width], vec![2, 3, 1, 0])
        }
        [outputs, height, width, inputs] => (vec![outputs, inputs, height, width], vec![0, 2, 3, 1]),
        // The linear layer behind a region reads its channels first there.
        [outputs, inputs] if name.ends_with("fc6.weight") || name.ends_with("box_head.5.weight") => {
            (vec![outputs, inputs / 49, 7, 7], vec![0, 2, 3, 1])
        }
        ref dims => (dims.to_vec(), (0..dims.len()).collect()),
    };
    let count = own.elem_count();
    let spread = (3.0 / (count as f64 / shape[0] as f64)).sqrt();
    let value = |u: f64| match name {
        name if name.ends_with("running_var") => 1.0 + 0.3 * u,
        name if name.ends_with("running_mean") || name.ends_with("bias") => 0.1 * u,
        _ if shape.len() == 1 => 1.0 + 0.2 * u,
        _ => u * spread,
    };
    let values: Vec<f32> =
        uniform(name, count).into_iter().map(|u| value(u) as f32 * factor as f32).collect();
    let drawn = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
    drawn.permute(order).unwrap().contiguous().unwrap().reshape(own.shape()).unwrap()
}
