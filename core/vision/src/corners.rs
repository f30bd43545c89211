//! Boxes by their corners, in fractions of a pixel of what the network sees.

/// A box from (left, top) to (right, bottom), as torchvision's `xyxy`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Corners {
    /// The smallest x.
    pub left: f32,
    /// The smallest y.
    pub top: f32,
    /// The largest x.
    pub right: f32,
    /// The largest y.
    pub bottom: f32,
}

impl Corners {
    /// From `[left, top, right, bottom]`.
    #[inline]
    pub fn new([left, top, right, bottom]: [f32; 4]) -> Self {
        Self { left, top, right, bottom }
    }

    /// `[left, top, right, bottom]`.
    #[inline]
    pub fn array(self) -> [f32; 4] {
        [self.left, self.top, self.right, self.bottom]
    }

    /// `right - left`.
    #[inline]
    pub fn width(self) -> f32 {
        self.right - self.left
    }

    /// `bottom - top`.
    #[inline]
    pub fn height(self) -> f32 {
        self.bottom - self.top
    }

    /// Width times height.
    #[inline]
    pub fn area(self) -> f32 {
        self.width() * self.height()
    }

    /// Intersection over union.
    #[inline]
    pub fn iou(self, other: Self) -> f32 {
        let width = (self.right.min(other.right) - self.left.max(other.left)).max(0.0);
        let height = (self.bottom.min(other.bottom) - self.top.max(other.top)).max(0.0);
        let shared = width * height;
        shared / (self.area() + other.area() - shared)
    }

    /// The part of it inside an image of `[height, width]` pixels.
    #[inline]
    #[must_use]
    pub fn clipped(self, [height, width]: [usize; 2]) -> Self {
        let (height, width) = (height as f32, width as f32);
        Self {
            left: self.left.clamp(0.0, width),
            top: self.top.clamp(0.0, height),
            right: self.right.clamp(0.0, width),
            bottom: self.bottom.clamp(0.0, height),
        }
    }

    /// All four multiplied: x by the first, y by the second factor.
    #[inline]
    #[must_use]
    pub fn scaled(self, x: f32, y: f32) -> Self {
        Self { left: self.left * x, top: self.top * y, right: self.right * x, bottom: self.bottom * y }
    }
}
