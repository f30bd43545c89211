//! Rotation by 45 degrees and back, bilinear with black outside, as OpenCV's `warpAffine` does it.
//!
//! A rotated image is mostly corners: only the span of each row that the image reaches is kept, so that a long
//! thin image costs no more than a square one of the same area.

/// An affine map of coordinates: `(a x + b y + c, d x + e y + f)`.
#[derive(Debug, Clone, Copy)]
pub struct Affine {
    x: [f32; 3],
    y: [f32; 3],
}

impl Affine {
    fn apply(&self, x: i32, y: i32) -> (f32, f32) {
        let (column, row) = (x as f32, y as f32);
        (
            self.x[0] * column + (self.x[1] * row + self.x[2]),
            self.y[0] * column + (self.y[1] * row + self.y[2]),
        )
    }
}

/// Where the pixels of an image lie when it is turned by 45 degrees about its centre.
pub struct Rotation {
    /// From a rotated pixel to the image.
    pub to_image: Affine,
    /// From an image pixel to the rotated image.
    pub to_rotated: Affine,
    /// For each row of the rotated image: where its span starts in a [`Rotation::len`] long buffer, and the
    /// first column and the one past the last.
    spans: Vec<Span>,
    len: usize,
}

#[derive(Clone, Copy)]
struct Span {
    start: usize,
    left: i32,
    right: i32,
}

impl Rotation {
    /// Lays out the rotation of a `width` x `height` image.
    pub fn new(width: usize, height: usize) -> Self {
        let (columns, rows) = (width as f64, height as f64);
        let (left, top, right, bottom) = bounds(width as f32, height as f32);
        let (across, along) = (right - left, bottom - top);
        let turn = std::f64::consts::FRAC_PI_4;
        let mut there = about(columns / 2.0, rows / 2.0, turn);
        there[0][2] += f64::from(across) / 2.0 - columns / 2.0;
        there[1][2] += f64::from(along) / 2.0 - rows / 2.0;
        let back = about(f64::from(across / 2), f64::from(along / 2), -turn);
        let mut to_rotated = inverse(back);
        // The centre of what comes back is cut out: pixel (0, 0) of the image is this one of it.
        let crop = [f64::from((across - width as i32) / 2), f64::from((along - height as i32) / 2)];
        for row in &mut to_rotated {
            row[2] += row[0] * crop[0] + row[1] * crop[1];
        }
        let to_image = narrow(inverse(there));
        let mut len = 0;
        let spans = (0..along)
            .map(|y| {
                let (left, right) = reach(&to_image, y, across, columns as f32, rows as f32);
                let start = len;
                len += (right - left) as usize;
                Span { start, left, right }
            })
            .collect();
        Self { to_image, to_rotated: narrow(to_rotated), spans, len }
    }

    /// Turns an 8-bit channel.
    fn turn(&self, channel: &[u8], width: usize, height: usize) -> Vec<u8> {
        let mut rotated = Vec::with_capacity(self.len);
        let at = |x: i32, y: i32| {
            if x >= 0 && y >= 0 && (x as usize) < width && (y as usize) < height {
                f32::from(channel[y as usize * width + x as usize])
            } else {
                0.0
            }
        };
        for (y, span) in self.spans.iter().enumerate() {
            for x in span.left..span.right {
                let (column, row) = self.to_image.apply(x, y as i32);
                let (j, i) = (floor(column), floor(row));
                let (right, down) = (column - j as f32, row - i as f32);
                let corners = if j >= 0 && i >= 0 && (j as usize) + 1 < width && (i as usize) + 1 < height {
                    let first = i as usize * width + j as usize;
                    let (upper, lower) =
                        (&channel[first..first + 2], &channel[first + width..first + width + 2]);
                    [upper[0], upper[1], lower[0], lower[1]].map(f32::from)
                } else {
                    [at(j, i), at(j + 1, i), at(j, i + 1), at(j + 1, i + 1)]
                };
                rotated.push(round(bilinear(corners, right, down)) as u8);
            }
        }
        rotated
    }

    /// The Scharr derivatives along both diagonals of the image: taken in the rotated image, then turned back.
    pub fn diagonal_derivatives(&self, channel: &[u8], width: usize, height: usize) -> [Vec<f32>; 2] {
        let slopes = self.scharr(&self.turn(channel, width, height));
        let mut derivatives = [(); 2].map(|()| Vec::with_capacity(width * height));
        for y in 0..height as i32 {
            for x in 0..width as i32 {
                let (column, row) = self.to_rotated.apply(x, y);
                let (j, i) = (floor(column), floor(row));
                let (right, down) = (column - j as f32, row - i as f32);
                let [upper, lower] = [self.pair(&slopes, j, i), self.pair(&slopes, j, i + 1)];
                for (direction, values) in derivatives.iter_mut().enumerate() {
                    let corners =
                        [upper[0], upper[1], lower[0], lower[1]].map(|slope| f32::from(slope[direction]));
                    values.push(bilinear(corners, right, down));
                }
            }
        }
        derivatives
    }

    /// Scharr slopes `[along x, along y]` of a rotated channel.
    fn scharr(&self, rotated: &[u8]) -> Vec<[i16; 2]> {
        let mut slopes = Vec::with_capacity(self.len);
        let mut window = [Vec::new(), Vec::new(), Vec::new()];
        for (y, span) in self.spans.iter().enumerate() {
            for (row, values) in window.iter_mut().enumerate() {
                self.row(rotated, y + row, span.left - 1, span.right + 1, values);
            }
            let [above, here, below] = &window;
            let columns = (span.right - span.left) as usize;
            for x in 0..columns {
                let three = |row: &[i16]| [row[x], row[x + 1], row[x + 2]];
                let (above, here, below) = (three(above), three(here), three(below));
                slopes.push(slope(above, here, below));
            }
        }
        slopes
    }

    /// Columns `left..right` of rotated row `shifted - 1`, black where nothing is kept.
    fn row(&self, rotated: &[u8], shifted: usize, left: i32, right: i32, values: &mut Vec<i16>) {
        values.clear();
        values.resize((right - left) as usize, 0);
        let Some(span) = shifted.checked_sub(1).and_then(|y| self.spans.get(y)) else { return };
        let (first, last) = (left.max(span.left), right.min(span.right));
        if first < last {
            let source = &rotated[span.start + (first - span.left) as usize..][..(last - first) as usize];
            for (value, &pixel) in values[(first - left) as usize..].iter_mut().zip(source) {
                *value = i16::from(pixel);
            }
        }
    }

    fn pair(&self, slopes: &[[i16; 2]], x: i32, y: i32) -> [[i16; 2]; 2] {
        let Some(span) = usize::try_from(y).ok().and_then(|y| self.spans.get(y)) else { return [[0; 2]; 2] };
        if x >= span.left && x + 1 < span.right {
            let first = span.start + (x - span.left) as usize;
            [slopes[first], slopes[first + 1]]
        } else {
            [x, x + 1].map(|x| {
                let inside = x >= span.left && x < span.right;
                if inside { slopes[span.start + (x - span.left) as usize] } else { [0; 2] }
            })
        }
    }
}

/// Scharr slopes `[along x, along y]` in the middle of three rows of three pixels.
pub fn slope(above: [i16; 3], here: [i16; 3], below: [i16; 3]) -> [i16; 2] {
    [
        3 * (above[2] - above[0]) + 10 * (here[2] - here[0]) + 3 * (below[2] - below[0]),
        3 * (below[0] - above[0]) + 10 * (below[1] - above[1]) + 3 * (below[2] - above[2]),
    ]
}

/// The nearest integer of a small number that is not negative, ties to even.
pub fn round(value: f32) -> u32 {
    // Adding 1.5 * 2^23 leaves no fractional bits; the lowest bits of the sum are the integer.
    (value + 12_582_912.0).to_bits() & 0xffff
}

fn floor(value: f32) -> i32 {
    let towards_zero = value as i32;
    towards_zero - i32::from((towards_zero as f32) > value)
}

fn bilinear(corners: [f32; 4], right: f32, down: f32) -> f32 {
    let upper = corners[0] + right * (corners[1] - corners[0]);
    let lower = corners[2] + right * (corners[3] - corners[2]);
    upper + down * (lower - upper)
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
    let [x, y] = map.map(|row| row.map(|value| value as f32));
    Affine { x, y }
}

/// The columns of rotated row `y` whose samples touch the image, and three more on either side, so that the
/// slopes around them are inside as well.
fn reach(map: &Affine, y: i32, across: i32, width: f32, height: f32) -> (i32, i32) {
    const MARGIN: f32 = 3.0;
    let (mut low, mut high) = (0.0f32, across as f32);
    for (row, limit) in [(map.x, width), (map.y, height)] {
        // -1 < row[0] x + rest < limit
        let rest = row[1] * y as f32 + row[2];
        let (one, other) = ((-1.0 - rest) / row[0], (limit - rest) / row[0]);
        low = low.max(one.min(other).floor() - MARGIN);
        high = high.min(one.max(other).ceil() + MARGIN);
    }
    let left = (low as i32).clamp(0, across);
    (left, (high as i32).clamp(left, across))
}
