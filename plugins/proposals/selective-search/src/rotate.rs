//! Rotation by 45 degrees and back, bilinear with black outside, as OpenCV's `warpAffine` does it.
//!
//! A rotated image is mostly corners: only the span of each row that the image reaches is kept, so that a long
//! thin image costs no more than a square one of the same area.

use crate::rounding::round_to_byte;
use crate::slopes::{Pixel, Slopes, row_of_slopes};
use univip_core::vectorised::vectorised;

/// An affine map of coordinates: `(a x + b y + c, d x + e y + f)`.
type Affine = [[f32; 3]; 2];

/// The places of an image's pixels when it is turned by 45 degrees about its centre, and back.
pub struct Rotation {
    width: usize,
    height: usize,
    /// For each row of the rotated image, the columns that are kept.
    spans: Vec<Span>,
    /// For each kept pixel of the rotated image, where it is in the image with its black frame.
    turn: Vec<Tap>,
    /// For each pixel of the image, where it is among the kept ones, in two rows of them.
    back: Vec<(Tap, u32)>,
}

#[derive(Clone, Copy)]
struct Span {
    /// The index of its first pixel among all that are kept.
    start: usize,
    left: i32,
    right: i32,
}

/// A place between four pixels: the index of the upper left one, and how far it is to the right and down.
#[derive(Clone, Copy)]
struct Tap {
    first: u32,
    right: f32,
    down: f32,
}

/// Black pixels around an image: a place between pixels may be one outside, and its right neighbour two.
const FRAME: usize = 2;

impl Rotation {
    /// Lays out the rotation of a `width` x `height` image.
    pub fn new(width: usize, height: usize) -> Self {
        let (columns, rows) = (width as f64, height as f64);
        let (left, top, right, bottom) = bounds(width as f32, height as f32);
        let (across, along) = (right - left, bottom - top);
        let angle = std::f64::consts::FRAC_PI_4;
        let mut there = about(columns / 2.0, rows / 2.0, angle);
        there[0][2] += f64::from(across) / 2.0 - columns / 2.0;
        there[1][2] += f64::from(along) / 2.0 - rows / 2.0;
        let to_image = narrow(inverse(there));
        let mut to_rotated = inverse(about(f64::from(across / 2), f64::from(along / 2), -angle));
        // The centre of what comes back is cut out: pixel (0, 0) of the image is this one of it.
        let crop = [f64::from((across - width as i32) / 2), f64::from((along - height as i32) / 2)];
        for row in &mut to_rotated {
            row[2] += row[0] * crop[0] + row[1] * crop[1];
        }
        let mut rotation = Self { width, height, spans: Vec::new(), turn: Vec::new(), back: Vec::new() };
        for y in 0..along {
            let (left, right) = reach(&to_image, y, across, columns as f32, rows as f32);
            rotation.spans.push(Span { start: rotation.turn.len(), left, right });
            rotation.turn.extend((left..right).map(|x| framed(place(&to_image, x, y), width, height)));
        }
        let back = narrow(to_rotated);
        for y in 0..height as i32 {
            rotation.back.extend(
                (0..width as i32).map(|x| among(&rotation.spans, place(&back, x, y), rotation.turn.len())),
            );
        }
        rotation
    }

    /// The Scharr slopes of the kept pixels, and two that are zero for all others.
    pub fn slopes(&self, pixels: &[Pixel]) -> Vec<Slopes> {
        let rotated = self.turned(pixels);
        let mut slopes = vec![[0; 8]; self.turn.len() + 2];
        let mut window = [Vec::new(), Vec::new(), Vec::new()];
        for (y, span) in self.spans.iter().enumerate() {
            for (row, values) in window.iter_mut().enumerate() {
                self.row(&rotated, y + row, span.left - 1, span.right + 1, values);
            }
            let row = &mut slopes[span.start..][..(span.right - span.left) as usize];
            let window = [&window[0][..], &window[1], &window[2]];
            vectorised(
                #[inline(always)]
                || row_of_slopes(window, row),
            );
        }
        slopes
    }

    /// The derivatives along both diagonals in row `y` of the image, of four channels each: `slopes`, which are those
    /// of the rotated image, turned back.
    #[inline(always)]
    pub fn row_of_diagonals(&self, slopes: &[Slopes], y: usize, found: &mut [[f32; 8]]) {
        let places = &self.back[y * self.width..][..self.width];
        for (found, (upper, lower)) in found.iter_mut().zip(places) {
            let (first, second) = (upper.first as usize, *lower as usize);
            let corners = [slopes[first], slopes[first + 1], slopes[second], slopes[second + 1]];
            *found = bilinear(corners, upper.right, upper.down);
        }
    }

    /// The kept pixels of a rotated image.
    fn turned(&self, pixels: &[Pixel]) -> Vec<Pixel> {
        let stride = self.width + 2 * FRAME;
        let mut framed = vec![[0; 4]; stride * (self.height + 2 * FRAME)];
        let rows = framed.chunks_exact_mut(stride).skip(FRAME);
        for (target, row) in rows.zip(pixels.chunks_exact(self.width)) {
            target[FRAME..][..self.width].copy_from_slice(row);
        }
        let mut turned = vec![[0; 4]; self.turn.len()];
        vectorised(
            #[inline(always)]
            || sample(&framed, stride, &self.turn, &mut turned),
        );
        turned
    }

    /// Columns `left..right` of rotated row `shifted - 1`, black where nothing is kept.
    fn row(&self, rotated: &[Pixel], shifted: usize, left: i32, right: i32, values: &mut Vec<Pixel>) {
        values.clear();
        values.resize((right - left) as usize, [0; 4]);
        let Some(span) = shifted.checked_sub(1).and_then(|y| self.spans.get(y)) else { return };
        let (first, last) = (left.max(span.left), right.min(span.right));
        if first < last {
            let source = &rotated[span.start + (first - span.left) as usize..][..(last - first) as usize];
            values[(first - left) as usize..][..source.len()].copy_from_slice(source);
        }
    }
}

/// The pixels at places of an image.
#[inline(always)]
fn sample(image: &[Pixel], stride: usize, places: &[Tap], sampled: &mut [Pixel]) {
    for (pixel, place) in sampled.iter_mut().zip(places) {
        let (first, below) = (place.first as usize, place.first as usize + stride);
        let corners = [image[first], image[first + 1], image[below], image[below + 1]];
        let values = bilinear(corners, place.right, place.down);
        let mut rounded = [0; 4];
        for channel in 0..4 {
            rounded[channel] = round_to_byte(values[channel]);
        }
        *pixel = rounded;
    }
}

/// Column, row, and how far to the right and down of it a pixel comes to lie.
fn place(map: &Affine, x: i32, y: i32) -> (i32, i32, f32, f32) {
    let (x, y) = (x as f32, y as f32);
    let [column, row] = map.map(|row| row[0] * x + (row[1] * y + row[2]));
    let (whole_column, whole_row) = (floor(column), floor(row));
    (whole_column, whole_row, column - whole_column as f32, row - whole_row as f32)
}

/// A place in an image with a black frame around it; all that is farther outside is as black.
fn framed((column, row, right, down): (i32, i32, f32, f32), width: usize, height: usize) -> Tap {
    let inside = |at: i32, length: usize| (at + FRAME as i32).clamp(0, (length + FRAME) as i32) as u32;
    Tap { first: inside(row, height) * (width + 2 * FRAME) as u32 + inside(column, width), right, down }
}

/// A place among kept pixels: between the one at the tap and its right neighbour, and the one at the index and
/// its right neighbour below. Where none is kept they are at `nowhere`.
fn among(spans: &[Span], (column, row, right, down): (i32, i32, f32, f32), nowhere: usize) -> (Tap, u32) {
    let find = |y: i32| {
        let span = usize::try_from(y).ok().and_then(|y| spans.get(y));
        let kept = span.filter(|span| column >= span.left && column + 1 < span.right);
        kept.map_or(nowhere, |span| span.start + (column - span.left) as usize) as u32
    };
    (Tap { first: find(row), right, down }, find(row + 1))
}

fn floor(value: f32) -> i32 {
    let towards_zero = value as i32;
    towards_zero - i32::from((towards_zero as f32) > value)
}

/// The channels of what lies between four pixels.
#[inline(always)]
fn bilinear<Value: Copy + Into<f32>, const CHANNELS: usize>(
    [left_above, right_above, left_below, right_below]: [[Value; CHANNELS]; 4],
    right: f32,
    down: f32,
) -> [f32; CHANNELS] {
    let upper = between(wide(left_above), wide(right_above), right);
    let lower = between(wide(left_below), wide(right_below), right);
    between(upper, lower, down)
}

#[inline(always)]
fn wide<Value: Copy + Into<f32>, const CHANNELS: usize>(values: [Value; CHANNELS]) -> [f32; CHANNELS] {
    let mut wide = [0.0; CHANNELS];
    for channel in 0..CHANNELS {
        wide[channel] = values[channel].into();
    }
    wide
}

#[inline(always)]
fn between<const CHANNELS: usize>(from: [f32; CHANNELS], to: [f32; CHANNELS], part: f32) -> [f32; CHANNELS] {
    let mut values = [0.0; CHANNELS];
    for channel in 0..CHANNELS {
        values[channel] = from[channel] + part * (to[channel] - from[channel]);
    }
    values
}

/// Left, top, right and bottom (past the last pixel) of the image turned about its centre, in single precision.
fn bounds(width: f32, height: f32) -> (i32, i32, i32, i32) {
    let half = std::f64::consts::FRAC_PI_4.cos() as f32 * 0.5;
    let lean = std::f64::consts::FRAC_PI_4.sin() as f32 * 0.5;
    let centre = [width / 2.0, height / 2.0];
    let first = [centre[0] - lean * height - half * width, centre[1] + half * height - lean * width];
    let second = [centre[0] + lean * height - half * width, centre[1] - half * height - lean * width];
    let corners = [0, 1].map(|axis| {
        [first[axis], second[axis], 2.0 * centre[axis] - first[axis], 2.0 * centre[axis] - second[axis]]
    });
    let low = corners.map(|values| values.into_iter().fold(f32::INFINITY, f32::min).floor() as i32);
    let high = corners.map(|values| values.into_iter().fold(f32::NEG_INFINITY, f32::max).ceil() as i32);
    (low[0], low[1], high[0] + 1, high[1] + 1)
}

/// A turn by `angle` (counter-clockwise, y down) about a point.
fn about(x: f64, y: f64, angle: f64) -> [[f64; 3]; 2] {
    let (sin, cos) = angle.sin_cos();
    [[cos, sin, (1.0 - cos) * x - sin * y], [-sin, cos, sin * x + (1.0 - cos) * y]]
}

fn inverse([[a, b, c], [d, e, f]]: [[f64; 3]; 2]) -> [[f64; 3]; 2] {
    let scale = 1.0 / (a * e - b * d);
    let [a, b, d, e] = [e * scale, -b * scale, -d * scale, a * scale];
    [[a, b, -a * c - b * f], [d, e, -d * c - e * f]]
}

fn narrow(map: [[f64; 3]; 2]) -> Affine {
    map.map(|row| row.map(|value| value as f32))
}

/// The columns of rotated row `y` whose samples touch the image, and three more on either side, so that the
/// slopes around them are inside as well.
fn reach(map: &Affine, y: i32, across: i32, width: f32, height: f32) -> (i32, i32) {
    const MARGIN: f32 = 3.0;
    let (mut low, mut high) = (0.0f32, across as f32);
    for (row, limit) in map.iter().zip([width, height]) {
        // -1 < row[0] x + rest < limit
        let rest = row[1] * y as f32 + row[2];
        let (one, other) = ((-1.0 - rest) / row[0], (limit - rest) / row[0]);
        low = low.max(one.min(other).floor() - MARGIN);
        high = high.min(one.max(other).ceil() + MARGIN);
    }
    let left = (low as i32).clamp(0, across);
    (left, (high as i32).clamp(left, across))
}
