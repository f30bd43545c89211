//! The facts of a segmentation's regions that grouping needs, besides their features.

use crate::segmentation::Segmentation;
use univip_core::geometry::BoundingBox;

/// The regions of a segmentation, by label.
pub struct Regions {
    /// Pixels of each.
    pub sizes: Vec<u32>,
    /// The smallest box around each.
    pub boxes: Vec<BoundingBox>,
    /// The pairs `(a, b)`, `a < b`, of regions that touch, sorted.
    pub neighbours: Vec<(u32, u32)>,
}

impl Regions {
    /// Measures every region of an image `width` pixels wide.
    pub fn of(segmentation: &Segmentation, width: usize) -> Self {
        let mut sizes = vec![0u32; segmentation.count];
        let mut corners = vec![[u32::MAX, u32::MAX, 0, 0]; segmentation.count];
        for (y, row) in segmentation.labels.chunks_exact(width).enumerate() {
            let mut start = 0;
            for run in row.chunk_by(|one, next| one == next) {
                let label = run[0] as usize;
                let end = start + run.len();
                sizes[label] += run.len() as u32;
                let [left, top, right, bottom] = &mut corners[label];
                *left = (*left).min(start as u32);
                *top = (*top).min(y as u32);
                *right = (*right).max(end as u32);
                *bottom = (*bottom).max(y as u32 + 1);
                start = end;
            }
        }
        let boxes = corners
            .iter()
            .map(|&[left, top, right, bottom]| BoundingBox::new(left, top, right - left, bottom - top))
            .collect();
        Self { sizes, boxes, neighbours: touching(&segmentation.labels, width) }
    }
}

/// Pairs of labels with a pixel of one left of, above or diagonally above a pixel of the other.
///
/// As in OpenCV, the first row and the first column are compared only with what lies right below them, unless
/// the image has no other row or column.
fn touching(labels: &[u32], width: usize) -> Vec<(u32, u32)> {
    let mut pairs = Pairs::default();
    let rows: Vec<&[u32]> = labels.chunks_exact(width).collect();
    if width == 1 || rows.len() == 1 {
        labels.windows(2).for_each(|pair| pairs.add(pair[0], pair[1]));
    }
    for pair in rows.windows(2) {
        let (above, row) = (pair[0], pair[1]);
        for x in 1..width {
            let label = row[x];
            if label != row[x - 1] {
                pairs.add(label, row[x - 1]);
            }
            if label != above[x] {
                pairs.add(label, above[x]);
            }
            if label != above[x - 1] {
                pairs.add(label, above[x - 1]);
            }
        }
    }
    pairs.distinct()
}

#[derive(Default)]
struct Pairs(Vec<(u32, u32)>);

impl Pairs {
    fn add(&mut self, one: u32, other: u32) {
        let pair = (one.min(other), one.max(other));
        if one != other && self.0.last() != Some(&pair) {
            self.0.push(pair);
        }
    }

    fn distinct(mut self) -> Vec<(u32, u32)> {
        self.0.sort_unstable();
        self.0.dedup();
        self.0
    }
}
