//! Anchors: boxes of a few sizes and shapes at every position of every map (Ren et al. 2015, Lin et al. 2017).

use crate::boxes::Corners;

/// The heights of anchors over their widths.
pub const RATIOS: [f32; 3] = [0.5, 1.0, 2.0];

/// The anchors of one position of each map, around (0, 0).
#[derive(Debug, Clone, PartialEq)]
pub struct Anchors {
    /// For each map the anchors of a position.
    pub cells: Vec<Vec<Corners>>,
}

impl Anchors {
    /// The same `ratios` (height over width) on every map, and each map's `sizes` (the square root of the area,
    /// in pixels of the input). With `whole`, corners are rounded to whole pixels, as torchvision's `AnchorGenerator` does.
    pub fn new(sizes: &[Vec<f32>], ratios: &[f32], whole: bool) -> Self {
        let cell = |size: f32, ratio: f32| {
            let stretch = ratio.sqrt();
            let half = |side: f32| if whole { (side / 2.0).round_ties_even() } else { side / 2.0 };
            let (x, y) = (half(size / stretch), half(size * stretch));
            Corners::new([-x, -y, x, y])
        };
        let map = |sizes: &Vec<f32>| {
            ratios.iter().flat_map(|ratio| sizes.iter().map(|size| cell(*size, *ratio))).collect()
        };
        Self { cells: sizes.iter().map(map).collect() }
    }

    /// Anchors at a position, the same number on every map.
    pub fn per_position(&self) -> usize {
        self.cells.first().map_or(0, Vec::len)
    }

    /// The anchors of maps of `[height, width]` positions over an input of `[height, width]` pixels. For each map
    /// row by row, position by position, in the order of `cells`.
    pub fn of_maps(&self, maps: &[[usize; 2]], input: [usize; 2]) -> Vec<Vec<Corners>> {
        let of_map = |(cells, map): (&Vec<Corners>, &[usize; 2])| {
            let stride = [input[0] / map[0], input[1] / map[1]];
            let positions = (0..map[0]).flat_map(|row| (0..map[1]).map(move |column| (row, column)));
            let anchors = positions.flat_map(|(row, column)| {
                let (x, y) = ((column * stride[1]) as f32, (row * stride[0]) as f32);
                let moved = move |cell: &Corners| {
                    Corners::new([cell.left + x, cell.top + y, cell.right + x, cell.bottom + y])
                };
                cells.iter().map(moved)
            });
            anchors.collect()
        };
        self.cells.iter().zip(maps).map(of_map).collect()
    }
}
