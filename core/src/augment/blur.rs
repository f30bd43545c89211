//! Gaussian blur, as Pillow's `ImageFilter.GaussianBlur`.
//!
//! ORL, whose code the paper builds on, calls that filter; BYOL samples a true Gaussian. Pillow convolves three
//! extended box filters whose variances add up to exactly sigma^2. That is a kernel of 7 pixels where a sampled
//! Gaussian of sigma 1.4 needs 11, so it is also the cheaper one. The three are applied as one kernel, the view
//! mirrored at its edges: up to sigma 1.4 that is Pillow's result but for its rounding after each pass, and for
//! wider blurs the outermost pixels differ, since Pillow repeats the edge pixel before each pass.

use super::rows::Planes;

/// The side of the view that recipes state the blur for.
pub(super) const REFERENCE_SIDE: f64 = 224.0;

/// The box filters applied one after another.
const PASSES: usize = 3;

/// Pixels computed together, as many as registers hold.
const LANES: usize = 32;

/// A blur of a view: first along each of its rows, then across them.
pub(super) struct Blur {
    /// The weights at distance 0, 1, ...
    kernel: Vec<f32>,
}

impl Blur {
    /// A blur with the standard deviation `sigma`, in pixels of this view; nothing where no pixel would change.
    pub fn new(sigma: f64) -> Option<Self> {
        let kernel = kernel(sigma);
        (kernel.len() > 1).then_some(Self { kernel })
    }

    /// Blurs a line of one channel. `padded` is room for it.
    pub fn along(&self, line: &mut [f32], padded: &mut Vec<f32>) {
        let (side, radius) = (line.len(), self.kernel.len() - 1);
        padded.resize(side + 2 * radius, 0.0);
        padded[radius..][..side].copy_from_slice(line);
        for outside in (0..radius).chain(radius + side..side + 2 * radius) {
            padded[outside] = line[reflect(outside as isize - radius as isize, side)];
        }
        self.convolve(Along { padded, radius }, line);
    }

    /// The line `y` of a channel whose lines are blurred along themselves.
    pub fn across(&self, planes: &Planes, channel: usize, y: usize, line: &mut [f32]) {
        self.convolve(Across { planes, channel, y }, line);
    }

    fn convolve(&self, taps: impl Taps, out: &mut [f32]) {
        pulp::Arch::new().dispatch(Convolution { kernel: &self.kernel, taps, out });
    }
}

/// What a convolution adds up.
trait Taps {
    /// The levels at a distance from those of the result, at least as many.
    fn at(&self, distance: isize) -> &[f32];
}

struct Along<'a> {
    padded: &'a [f32],
    radius: usize,
}

impl Taps for Along<'_> {
    #[inline(always)]
    fn at(&self, distance: isize) -> &[f32] {
        &self.padded[(self.radius as isize + distance) as usize..]
    }
}

struct Across<'a> {
    planes: &'a Planes,
    channel: usize,
    y: usize,
}

impl Taps for Across<'_> {
    #[inline(always)]
    fn at(&self, distance: isize) -> &[f32] {
        self.planes.line(self.channel, reflect(self.y as isize + distance, self.planes.side()))
    }
}

/// `out[x] = sum over k of kernel[|k|] * taps.at(k)[x]`.
struct Convolution<'a, T> {
    kernel: &'a [f32],
    taps: T,
    out: &'a mut [f32],
}

impl<T: Taps> pulp::NullaryFnOnce for Convolution<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { kernel, taps, out } = self;
        let whole = out.len() - out.len() % LANES;
        for start in (0..whole).step_by(LANES) {
            let mut sums = [0.0; LANES];
            add(kernel, &taps, start, &mut sums);
            out[start..start + LANES].copy_from_slice(&sums);
        }
        for (x, out) in out.iter_mut().enumerate().skip(whole) {
            let mut sum = [0.0];
            add(kernel, &taps, x, &mut sum);
            [*out] = sum;
        }
    }
}

#[inline(always)]
fn add<const N: usize>(kernel: &[f32], taps: &impl Taps, start: usize, sums: &mut [f32; N]) {
    let window = |distance: isize| taps.at(distance)[start..].first_chunk().unwrap_or(&[0.0; N]);
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
#[inline(always)]
fn reflect(index: isize, side: usize) -> usize {
    if (0..side as isize).contains(&index) {
        return index as usize;
    }
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
