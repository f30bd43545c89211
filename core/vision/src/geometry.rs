//! Boxes in pixels: (x, y) is the top-left corner, x to the right and y down.

use serde::{Deserialize, Serialize};

/// The size of an image in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// A half-open box of whole pixels: columns `x..x + width`, rows `y..y + height`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BoundingBox {
    /// Leftmost column.
    pub x: u32,
    /// Topmost row.
    pub y: u32,
    /// Columns covered, at least 1.
    pub width: u32,
    /// Rows covered, at least 1.
    pub height: u32,
}

impl BoundingBox {
    /// A box from its corner and size.
    #[inline]
    pub fn new(x: u32, y: u32, width: u32, height: u32) -> Self {
        Self { x, y, width, height }
    }

    /// The box that is the whole image.
    #[inline]
    pub fn whole(size: Size) -> Self {
        Self::new(0, 0, size.width, size.height)
    }

    /// One past the last column.
    #[inline]
    pub fn right(&self) -> u32 {
        self.x + self.width
    }

    /// One past the last row.
    #[inline]
    pub fn bottom(&self) -> u32 {
        self.y + self.height
    }

    /// Pixels covered.
    #[inline]
    pub fn area(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Width over height.
    #[inline]
    pub fn aspect_ratio(&self) -> f32 {
        self.width as f32 / self.height as f32
    }

    /// The pixels that both cover, if any.
    #[inline]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let (left, top) = (self.x.max(other.x), self.y.max(other.y));
        let right = self.right().min(other.right());
        let bottom = self.bottom().min(other.bottom());
        (left < right && top < bottom).then(|| Self::new(left, top, right - left, bottom - top))
    }

    /// True if every pixel of `inner` is also in this box.
    #[inline]
    pub fn contains(&self, inner: &Self) -> bool {
        self.x <= inner.x
            && self.y <= inner.y
            && self.right() >= inner.right()
            && self.bottom() >= inner.bottom()
    }

    /// Intersection over union, in 0..=1.
    #[inline]
    pub fn iou(&self, other: &Self) -> f32 {
        let shared = self.intersection(other).map_or(0, |both| both.area());
        shared as f32 / (self.area() + other.area() - shared) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_arithmetic() {
        let b = BoundingBox::new;
        let cases = [
            // (one, other, intersection, IoU)
            (b(0, 0, 10, 10), b(0, 0, 10, 10), Some(b(0, 0, 10, 10)), 1.0),
            (b(0, 0, 10, 10), b(5, 0, 10, 10), Some(b(5, 0, 5, 10)), 50.0 / 150.0),
            (b(0, 0, 10, 10), b(10, 0, 10, 10), None, 0.0),
            (b(2, 3, 4, 5), b(3, 4, 1, 1), Some(b(3, 4, 1, 1)), 1.0 / 20.0),
        ];
        for (one, other, both, iou) in cases {
            assert_eq!(one.intersection(&other), both);
            assert_eq!(other.intersection(&one), both);
            assert!((one.iou(&other) - iou).abs() < 1e-6);
            assert_eq!(one.contains(&other), both == Some(other));
        }
    }
}
