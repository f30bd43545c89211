//! The similarity of two regions (Section 3.2.2 of Uijlings et al.).

use crate::features::Histograms;
use serde::{Deserialize, Serialize};
use univip_core::geometry::BoundingBox;

/// One measure of similarity, each in 0..=1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// Intersection of colour histograms (equation 1).
    Colour,
    /// Intersection of texture histograms (equation 3).
    Texture,
    /// Small regions merge early (equation 5).
    Size,
    /// Regions that fit into each other merge early (equation 6).
    Fill,
}

/// The features of the regions while they merge; a merged region takes the place of one of its two.
#[derive(Clone)]
pub struct Slots {
    /// Pixels of each.
    pub sizes: Vec<u32>,
    /// The box around each.
    pub boxes: Vec<BoundingBox>,
    /// Colour histograms.
    pub colour: Histograms,
    /// Texture histograms.
    pub texture: Histograms,
    /// Pixels of the image.
    pub pixels: u64,
}

impl Slots {
    /// The mean of some measures between two regions.
    pub fn similarity(&self, measures: &[Measure], a: usize, b: usize) -> f32 {
        let sum: f32 = measures.iter().map(|&measure| self.measure(measure, a, b)).sum();
        sum / measures.len() as f32
    }

    fn measure(&self, measure: Measure, a: usize, b: usize) -> f32 {
        let of_image = |pixels: u64| (1.0 - pixels as f32 / self.pixels as f32).clamp(0.0, 1.0);
        let both = u64::from(self.sizes[a]) + u64::from(self.sizes[b]);
        match measure {
            Measure::Colour => self.colour.intersection(a, b),
            Measure::Texture => self.texture.intersection(a, b),
            Measure::Size => of_image(both),
            Measure::Fill => of_image(hull(&self.boxes[a], &self.boxes[b]).area() - both),
        }
    }

    /// Region `into` becomes the union of both, as far as `measures` look at it.
    pub fn merge(&mut self, measures: &[Measure], into: usize, other: usize) {
        let (size_into, size_other) = (self.sizes[into], self.sizes[other]);
        if measures.contains(&Measure::Colour) {
            self.colour.merge(into, other, size_into, size_other);
        }
        if measures.contains(&Measure::Texture) {
            self.texture.merge(into, other, size_into, size_other);
        }
        self.boxes[into] = hull(&self.boxes[into], &self.boxes[other]);
        self.sizes[into] += size_other;
    }
}

/// The smallest box around two.
fn hull(a: &BoundingBox, b: &BoundingBox) -> BoundingBox {
    let (left, top) = (a.x.min(b.x), a.y.min(b.y));
    BoundingBox::new(left, top, a.right().max(b.right()) - left, a.bottom().max(b.bottom()) - top)
}
