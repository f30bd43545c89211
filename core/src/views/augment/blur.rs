//! Gaussian blur, as Pillow's `ImageFilter.GaussianBlur`.
//!
//! ORL, whose code the paper builds on, calls that filter; BYOL samples a true Gaussian. Pillow convolves three
//! extended box filters whose variances add up to exactly sigma^2. That is a kernel of 7 pixels where a sampled
//! Gaussian of sigma 1.4 needs 11, so it is also the cheaper one. The three are applied as one kernel, the view
//! mirrored at its edges: up to sigma 1.4 that is Pillow's result but for its rounding after each pass, and for
//! wider blurs the outermost pixels differ, since Pillow repeats the edge pixel before each pass.

use super::BlurScale;
use super::rows::Planes;

/// The side of the view that recipes state the blur for, where it follows the view.
const REFERENCE_SIDE: f64 = 224.0;

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
    /// The blur of a view of `side` pixels, by the `sigma` of a recipe.
    pub fn of_view(sigma: f64, scale: BlurScale, side: usize) -> Option<Self> {
        Self::new(match scale {
            BlurScale::View => sigma * side as f64 / REFERENCE_SIDE,
            BlurScale::Absolute => sigma,
        })
    }

    /// A blur with the standard deviation `sigma`, in pixels of this view; nothing where no pixel would change.
    fn new(sigma: f64) -> Option<Self> {
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
        self.convolve(|distance| &padded[(radius as isize + distance) as usize..], line);
    }

    /// The line `y` of a channel whose lines are blurred along themselves.
    pub fn across(&self, planes: &Planes, channel: usize, y: usize, line: &mut [f32]) {
        self.convolve(|distance| planes.line(channel, reflect(y as isize + distance, planes.side())), line);
    }

    /// `out[x] = sum over k of kernel[|k|] * at(k)[x]`.
    fn convolve<'a>(&self, at: impl Fn(isize) -> &'a [f32], out: &mut [f32]) {
        let length = out.len();
        out.iter_mut().zip(at(0)).for_each(|(out, level)| *out = self.kernel[0] * level);
        let mut pairs = [Pair::default(); MOST_PAIRS];
        for (weights, first) in self.kernel[1..].chunks(MOST_PAIRS).zip((1..).step_by(MOST_PAIRS)) {
            for ((pair, weight), distance) in pairs.iter_mut().zip(weights).zip(first..) {
                let line = |distance| &at(distance)[..length];
                *pair = Pair { weight: *weight, before: line(-distance), after: line(distance) };
            }
            pulp::Arch::new().dispatch(Addition { pairs: &pairs[..weights.len()], out });
        }
    }
}

/// The weight of two lines at the same distance.
#[derive(Clone, Copy, Default)]
struct Pair<'a> {
    weight: f32,
    before: &'a [f32],
    after: &'a [f32],
}

/// Pairs that are added at once: enough for a sigma of 5 pixels.
const MOST_PAIRS: usize = 16;

/// Adds weighted pairs to `out`, which is as long as they are.
struct Addition<'a> {
    pairs: &'a [Pair<'a>],
    out: &'a mut [f32],
}

impl pulp::NullaryFnOnce for Addition<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (chunks, rest) = self.out.as_chunks_mut::<LANES>();
        let whole = chunks.len() * LANES;
        for (chunk, start) in chunks.iter_mut().zip((0..).step_by(LANES)) {
            let mut sums = *chunk;
            for pair in self.pairs {
                let (before, after) = (&pair.before[start..start + LANES], &pair.after[start..start + LANES]);
                for lane in 0..LANES {
                    sums[lane] += pair.weight * (before[lane] + after[lane]);
                }
            }
            *chunk = sums;
        }
        for (out, x) in rest.iter_mut().zip(whole..) {
            for pair in self.pairs {
                *out += pair.weight * (pair.before[x] + pair.after[x]);
            }
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
