//! An item cut out of its black square, then resized, turned and mirrored.

use crate::data::SIDE;

/// Grey above which a pixel belongs to the item: what is below is the noise around it.
const BLACK: u8 = 10;

/// Black areas inside an item up to this many pixels are dark cloth; larger ones are see-through.
const LARGEST_HOLE: usize = 30;

/// A side of the square with a black border, so that interpolation needs no bounds.
const PADDED: usize = SIDE + 2;

/// The pixels of an item, with small holes filled.
fn mask(pixels: &[u8; SIDE * SIDE]) -> [bool; SIDE * SIDE] {
    let mut mask = pixels.map(|grey| grey > BLACK);
    let mut seen = mask;
    for start in 0..mask.len() {
        if seen[start] {
            continue;
        }
        let (mut area, mut at_edge) = (vec![start], false);
        seen[start] = true;
        let mut next = 0;
        while let Some(&pixel) = area.get(next) {
            next += 1;
            let (x, y) = (pixel % SIDE, pixel / SIDE);
            at_edge |= x == 0 || y == 0 || x == SIDE - 1 || y == SIDE - 1;
            let neighbours = [
                (x > 0).then(|| pixel - 1),
                (x < SIDE - 1).then(|| pixel + 1),
                (y > 0).then(|| pixel - SIDE),
                (y < SIDE - 1).then(|| pixel + SIDE),
            ];
            for neighbour in neighbours.into_iter().flatten() {
                if !seen[neighbour] {
                    seen[neighbour] = true;
                    area.push(neighbour);
                }
            }
        }
        if !at_edge && area.len() <= LARGEST_HOLE {
            area.iter().for_each(|&pixel| mask[pixel] = true);
        }
    }
    mask
}

/// The appearance of an item in a scene.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    /// Pixels along a side of the item's square, before it is turned.
    pub side: f32,
    /// Tangent of half the angle it is turned by, clockwise. (Sine and cosine follow by arithmetic
    /// alone, so that every machine draws the same pixels.)
    pub half_turn: f32,
    /// Left and right exchanged.
    pub mirrored: bool,
}

/// An item cut out of its black square, on nothing.
pub struct Item {
    /// Coverage, 0 or 1, and grey times coverage, row by row; a border of nothing around them.
    pixels: Box<[[f32; 2]; PADDED * PADDED]>,
}

impl Item {
    /// Cuts an item out; its grey values are multiplied by `gain`.
    pub fn new(pixels: &[u8; SIDE * SIDE], gain: f32) -> Self {
        let mut item = Box::new([[0.0_f32; 2]; PADDED * PADDED]);
        for (pixel, is_item) in mask(pixels).into_iter().enumerate() {
            if is_item {
                let grey = (f32::from(pixels[pixel]) * gain).min(255.0);
                item[(pixel / SIDE + 1) * PADDED + pixel % SIDE + 1] = [1.0, grey];
            }
        }
        Self { pixels: item }
    }

    /// Coverage and covered grey between the pixels, bilinear. (u, v) is in 0..PADDED - 1.
    #[inline]
    fn between(&self, u: f32, v: f32) -> [f32; 2] {
        let (left, top) = (u as usize, v as usize);
        let (right_share, lower_share) = (u - left as f32, v - top as f32);
        // Two pixels of a line and the two below them.
        let four = &self.pixels[top * PADDED + left..][..PADDED + 2];
        let along = |one: [f32; 2], other: [f32; 2]| {
            [one[0] + right_share * (other[0] - one[0]), one[1] + right_share * (other[1] - one[1])]
        };
        let (upper, lower) = (along(four[0], four[1]), along(four[PADDED], four[PADDED + 1]));
        [upper[0] + lower_share * (lower[0] - upper[0]), upper[1] + lower_share * (lower[1] - upper[1])]
    }
}

/// An item as it is drawn: a square of pixels with soft edges.
pub struct Cutout {
    /// Pixels along a side.
    pub side: usize,
    /// Coverage in 0..=1, row by row. Half and more counts as the item's.
    pub coverage: Vec<f32>,
    /// Grey values times coverage.
    pub grey: Vec<f32>,
}

impl Cutout {
    /// Draws an item in a pose: bilinear interpolation of coverage and of covered grey.
    pub fn new(item: &Item, pose: Pose) -> Self {
        let t = pose.half_turn;
        let (cosine, sine) = ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t));
        let side = (pose.side * (cosine + sine.abs())).ceil() as usize;
        let (step, middle) = (SIDE as f32 / pose.side, (side as f32 - 1.0) / 2.0);
        let mirror = if pose.mirrored { -1.0 } else { 1.0 };
        let centre = (PADDED as f32 - 1.0) / 2.0;
        let inside = 0.0..(PADDED - 1) as f32;
        let mut cutout = Self { side, coverage: vec![0.0; side * side], grey: vec![0.0; side * side] };
        let lines = cutout.coverage.chunks_exact_mut(side).zip(cutout.grey.chunks_exact_mut(side));
        for (y, (coverage, grey)) in lines.enumerate() {
            let dy = (y as f32 - middle) * step;
            for (x, (coverage, grey)) in coverage.iter_mut().zip(grey).enumerate() {
                let dx = (x as f32 - middle) * step;
                let u = centre + mirror * (cosine * dx + sine * dy);
                let v = centre + cosine * dy - sine * dx;
                if inside.contains(&u) && inside.contains(&v) {
                    [*coverage, *grey] = item.between(u, v);
                }
            }
        }
        cutout
    }

    /// True if a pixel is the item's.
    pub fn covers(&self, pixel: usize) -> bool {
        self.coverage[pixel] >= 0.5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ring of cloth, `outer` pixels wide, around a square hole of `hole` pixels.
    fn ring(outer: usize, hole: usize) -> [u8; SIDE * SIDE] {
        let inside = |x: usize, width: usize| (SIDE - width) / 2 <= x && x < (SIDE + width) / 2;
        std::array::from_fn(|pixel| {
            let (x, y) = (pixel % SIDE, pixel / SIDE);
            let cloth = inside(x, outer) && inside(y, outer) && !(inside(x, hole) && inside(y, hole));
            if cloth { 200 } else { BLACK }
        })
    }

    #[test]
    fn small_holes_are_cloth_and_large_ones_are_not() {
        let count = |hole| mask(&ring(20, hole)).into_iter().filter(|&is_item| is_item).count();
        assert_eq!(count(4), 400);
        assert_eq!(count(6), 400 - 36);
    }

    #[test]
    fn a_cutout_has_the_size_the_angle_and_the_grey_of_its_pose() {
        let upright = Pose { side: 56.0, half_turn: 0.0, mirrored: false };
        let drawn = Cutout::new(&Item::new(&ring(20, 0), 0.5), upright);
        let covered = |cutout: &Cutout| (0..cutout.coverage.len()).filter(|&p| cutout.covers(p)).count();
        assert_eq!((drawn.side, covered(&drawn)), (56, 1600));
        assert_eq!(drawn.grey[28 * 56 + 28], 100.0);

        // Turned by 2 atan(0.1) = 11.4 degrees the area stays and the square around it grows.
        let turned = Cutout::new(&Item::new(&ring(20, 0), 0.5), Pose { half_turn: 0.1, ..upright });
        assert!(turned.side > drawn.side);
        assert!(covered(&turned).abs_diff(1600) < 40, "{}", covered(&turned));
    }

    #[test]
    fn a_mirrored_cutout_is_the_mirror_image() {
        let left_half = std::array::from_fn(|pixel| if pixel % SIDE < SIDE / 2 { 200 } else { 0 });
        let left_half = Item::new(&left_half, 1.0);
        let pose = Pose { side: 40.0, half_turn: 0.0, mirrored: false };
        let (plain, mirrored) =
            (Cutout::new(&left_half, pose), Cutout::new(&left_half, Pose { mirrored: true, ..pose }));
        for (row, other) in plain.coverage.chunks(40).zip(mirrored.coverage.chunks(40)) {
            for (a, b) in row.iter().zip(other.iter().rev()) {
                assert!((a - b).abs() < 1e-4);
            }
        }
        assert!(plain.covers(20 * 40 + 10) && !mirrored.covers(20 * 40 + 10));
    }
}
