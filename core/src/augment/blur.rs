//! Gaussian blur, as Pillow's `ImageFilter.GaussianBlur`.
//!
//! ORL, whose code the paper builds on, calls that filter; BYOL samples a true Gaussian. Pillow convolves three
//! extended box filters whose variances add up to exactly sigma^2. That is a kernel of 7 pixels where a sampled
//! Gaussian of sigma 1.4 needs 11, so it is also the cheaper one. The three are applied as one kernel, the view
//! mirrored at its edges: up to sigma 1.4 that is Pillow's result but for its rounding after each pass, and for
//! wider blurs the outermost pixels differ, since Pillow repeats the edge pixel before each pass.

use super::planes::Planes;

/// The side of the view that recipes state the blur for.
pub(super) const REFERENCE_SIDE: f64 = 224.0;

/// The box filters applied one after another.
const PASSES: usize = 3;

/// Pixels computed together, as many as registers hold.
const LANES: usize = 16;

/// Blurs with the standard deviation `sigma`, in pixels of this view.
pub(super) fn blur(planes: &mut Planes, sigma: f64) {
    let kernel = kernel(sigma);
    if kernel.len() == 1 {
        return;
    }
    let side = planes.side();
    let radius = kernel.len() - 1;
    let mut padded = vec![0.0; side + 2 * radius];
    for channel in 0..3 {
        let (plane, spare) = planes.with_spare(channel);
        for (row, blurred) in plane.chunks_exact(side).zip(spare.chunks_exact_mut(side)) {
            for (index, level) in padded.iter_mut().enumerate() {
                *level = row[reflect(index as isize - radius as isize, side)];
            }
            let tap = |offset: isize| &padded[(radius as isize + offset) as usize..][..side];
            convolve(&kernel, tap, blurred);
        }
        for (y, blurred) in plane.chunks_exact_mut(side).enumerate() {
            let tap = |offset: isize| &spare[reflect(y as isize + offset, side) * side..][..side];
            convolve(&kernel, tap, blurred);
        }
    }
}

/// `out[x] = sum over k of kernel[|k|] * tap(k)[x]`.
fn convolve<'a>(kernel: &[f32], tap: impl Fn(isize) -> &'a [f32], out: &mut [f32]) {
    let whole = out.len() - out.len() % LANES;
    for start in (0..whole).step_by(LANES) {
        let mut sums = [0.0; LANES];
        add(kernel, &tap, start, &mut sums);
        out[start..start + LANES].copy_from_slice(&sums);
    }
    for (x, blurred) in out.iter_mut().enumerate().skip(whole) {
        let mut sum = [0.0];
        add(kernel, &tap, x, &mut sum);
        [*blurred] = sum;
    }
}

#[inline(always)]
fn add<'a, const N: usize>(
    kernel: &[f32],
    tap: &impl Fn(isize) -> &'a [f32],
    start: usize,
    sums: &mut [f32; N],
) {
    let window = |offset: isize| -> &[f32; N] { tap(offset)[start..].first_chunk().unwrap_or(&[0.0; N]) };
    for (sum, level) in sums.iter_mut().zip(window(0)) {
        *sum = kernel[0] * level;
    }
    for (k, weight) in kernel.iter().enumerate().skip(1) {
        let (before, after) = (window(-(k as isize)), window(k as isize));
        for (sum, (before, after)) in sums.iter_mut().zip(before.iter().zip(after)) {
            *sum += weight * (before + after);
        }
    }
}

/// The row or column that continues a view of `side` beyond its edges: mirrored, the edge pixel twice.
fn reflect(index: isize, side: usize) -> usize {
    let period = 2 * side as isize;
    let index = index.rem_euclid(period);
    index.min(period - 1 - index) as usize
}

/// The weights at distance 0, 1, ... of the three box filters in one.
///
/// A box filter of `2 * whole + 1` equal pixels and a share of one more on either side has a variance of its
/// own choosing (Gwosdek et al., "Theoretical foundations of Gaussian convolution by extended box filtering",
/// 2011, Eq. 9-11): a third of sigma^2.
fn kernel(sigma: f64) -> Vec<f32> {
    let variance = sigma * sigma / PASSES as f64;
    let whole = (((12.0 * variance + 1.0).sqrt() - 1.0) / 2.0).floor();
    let share = (2.0 * whole + 1.0) * (whole * (whole + 1.0) - 3.0 * variance)
        / (6.0 * (variance - (whole + 1.0) * (whole + 1.0)));
    let mut one = vec![1.0; 2 * whole as usize + 3];
    one[0] = share;
    *one.last_mut().unwrap_or(&mut 0.0) = share;
    let sum: f64 = one.iter().sum();
    one.iter_mut().for_each(|weight| *weight /= sum);
    let all = (1..PASSES).fold(one.clone(), |all, _| convolved(&all, &one));
    let centre = all.len() / 2;
    let half: Vec<f32> = all[centre..].iter().map(|weight| *weight as f32).collect();
    let used = half.iter().rposition(|weight| *weight > 1e-5).unwrap_or(0);
    half[..=used].to_vec()
}

fn convolved(one: &[f64], other: &[f64]) -> Vec<f64> {
    let mut product = vec![0.0; one.len() + other.len() - 1];
    for (i, a) in one.iter().enumerate() {
        for (j, b) in other.iter().enumerate() {
            product[i + j] += a * b;
        }
    }
    product
}
