//! Results are the same to the last bit on any number of threads.

use crate::on_tensors;
use crate::values::{gradients, noise, numbers};
use candle_core::Var;

fn check(run: impl Fn() -> Vec<f32> + Sync) {
    let within = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(&run).into_iter().map(f32::to_bits).collect::<Vec<_>>()
    };
    let one = within(1);
    for threads in [2, 3] {
        assert!(within(threads) == one, "{threads} threads gave other bits");
    }
}

#[test]
fn of_the_convolution() {
    // Enough rows for several tasks; few rows and many filters; no copies; a stride; many weights.
    let cases = [([4, 24, 23, 16], [24, 3, 3, 16], 1), ([2, 4, 4, 64], [256, 3, 3, 64], 1)];
    let more = [([4, 24, 24, 32], [16, 1, 1, 32], 1), ([4, 24, 23, 16], [24, 3, 3, 16], 2)];
    let wide = [([3, 6, 7, 160], [176, 3, 3, 160], 1)];
    for (images, weight, stride) in cases.into_iter().chain(more).chain(wide) {
        check(|| {
            let images = Var::from_tensor(&noise(&images, 0)).unwrap();
            let weight = Var::from_tensor(&noise(&weight, 1)).unwrap();
            let y = on_tensors::conv2d(&images, &weight, stride, weight.dims()[1] / 2).unwrap();
            let found = gradients(&y, &noise(y.dims(), 2), &[("images", &images), ("weight", &weight)]);
            [&y, &found["images"], &found["weight"]].into_iter().flat_map(numbers).collect()
        });
    }
}

#[test]
fn of_batch_norm() {
    check(|| {
        let var = |shape: &[usize], seed| Var::from_tensor(&noise(shape, seed)).unwrap();
        let (x, weight, bias) = (var(&[6, 33, 31, 20], 0), var(&[20], 1), var(&[20], 2));
        let (y, _) = on_tensors::batch_norm(&x, &weight, &bias, None, true, 3, 1e-5).unwrap();
        let variables = [("x", x.as_tensor()), ("weight", &weight), ("bias", &bias)];
        let found = gradients(&y, &noise(y.dims(), 3), &variables);
        [&y].into_iter().chain(found.values()).flat_map(numbers).collect()
    });
}
