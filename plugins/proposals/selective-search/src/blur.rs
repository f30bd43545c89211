//! Gaussian smoothing, as OpenCV's `GaussianBlur` does it on floats with a kernel size of its choice.

use univip_core::vectorised::vectorised;

/// Smooths one 8-bit channel; the border mirrors without repeating the edge pixel.
///
/// Every product is added with a single rounding, as OpenCV's is on processors that can, so that no edge of the
/// pixel graph changes places with another.
pub fn gaussian(channel: &[u8], width: usize, height: usize, sigma: f32) -> Vec<f32> {
    // Here `mul_add` is an instruction and not a call.
    vectorised(
        #[inline(always)]
        || convolve(channel, width, height, sigma),
    )
}

#[inline(always)]
fn convolve(channel: &[u8], width: usize, height: usize, sigma: f32) -> Vec<f32> {
    let kernel = kernel(sigma);
    let radius = kernel.len() / 2;
    let columns: Vec<usize> = (0..width + 2 * radius).map(|x| mirror(x, radius, width)).collect();
    let mut padded = vec![0.0f32; width + 2 * radius];
    let mut horizontal = vec![0.0f32; width * height];
    for (source, target) in channel.chunks_exact(width).zip(horizontal.chunks_exact_mut(width)) {
        for (value, &column) in padded.iter_mut().zip(&columns) {
            *value = f32::from(source[column]);
        }
        row_of_sums(&kernel, &padded, target);
    }
    let mut smooth = vec![0.0f32; width * height];
    let row = |y: usize| &horizontal[mirror(y, radius, height) * width..][..width];
    for (y, target) in smooth.chunks_exact_mut(width).enumerate() {
        for (sum, value) in target.iter_mut().zip(row(y + radius)) {
            *sum = kernel[radius] * value;
        }
        for distance in 1..=radius {
            let weight = kernel[radius + distance];
            let (below, above) = (row(y + radius + distance), row(y + radius - distance));
            for (sum, (below, above)) in target.iter_mut().zip(below.iter().zip(above)) {
                *sum = weight.mul_add(below + above, *sum);
            }
        }
    }
    smooth
}

/// A row of weighted sums in the order in which OpenCV adds: with a kernel of three or five weights, the two pixels at one
/// distance are added before they are weighed; with a longer one, the products are added from left to right.
#[inline(always)]
fn row_of_sums(kernel: &[f32], padded: &[f32], target: &mut [f32]) {
    match *kernel {
        [_, centre, near] => {
            for (sum, window) in target.iter_mut().zip(padded.windows(3)) {
                *sum = centre.mul_add(window[1], near * (window[0] + window[2]));
            }
        }
        [_, _, centre, near, far] => {
            for (sum, window) in target.iter_mut().zip(padded.windows(5)) {
                let inner = centre.mul_add(window[2], near * (window[1] + window[3]));
                *sum = far.mul_add(window[0] + window[4], inner);
            }
        }
        _ => {
            for (offset, &weight) in kernel.iter().enumerate() {
                for (sum, value) in target.iter_mut().zip(&padded[offset..]) {
                    *sum = weight.mul_add(*value, *sum);
                }
            }
        }
    }
}

/// A normalised kernel that reaches about four sigmas to either side.
fn kernel(sigma: f32) -> Vec<f32> {
    let sigma = f64::from(sigma);
    let size = (sigma * 8.0 + 1.0).round_ties_even() as usize | 1;
    let centre = (size / 2) as f64;
    let bell = |i: usize| (-(i as f64 - centre).powi(2) / (2.0 * sigma * sigma)).exp();
    let sum: f64 = (0..size).map(bell).sum();
    (0..size).map(|i| (bell(i) / sum) as f32).collect()
}

/// The index in `0..length` that position `shifted - radius` mirrors to.
fn mirror(shifted: usize, radius: usize, length: usize) -> usize {
    let period = 2 * (length as isize - 1);
    if period == 0 {
        return 0;
    }
    let folded = (shifted as isize - radius as isize).rem_euclid(period);
    folded.min(period - folded) as usize
}
