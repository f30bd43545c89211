//! What is in a training image.

use crate::boxes::Corners;
use crate::roi_align::{Square, sample};

/// An annotated object of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its box, in pixels of the network's input.
    pub corners: Corners,
    /// Its class, from 0.
    pub class: usize,
    /// Its pixels, if they are known.
    pub mask: Option<Bitmap>,
}

/// Pixels that are an object's or not, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bitmap {
    /// Rows and columns.
    pub size: [usize; 2],
    /// Row by row.
    pub pixels: Vec<bool>,
}

impl Bitmap {
    /// The share of the object in each of `side` x `side` cells of a box, row by row, as torchvision projects masks
    /// on boxes. The box is in pixels of an image of `[height, width]` that the bitmap, whatever its own size, covers.
    pub fn project(&self, corners: Corners, image: [usize; 2], side: usize) -> Vec<f32> {
        let [rows, columns] = self.size;
        let corners = corners.scaled(columns as f32 / image[1] as f32, rows as f32 / image[0] as f32);
        sample(&self.pixels, self.size, corners, Square { side, scale: 1.0, points: 0 })
    }

    /// The bitmap with left and right exchanged.
    #[must_use]
    pub fn mirrored(mut self) -> Self {
        self.pixels.chunks_mut(self.size[1].max(1)).for_each(<[bool]>::reverse);
        self
    }
}
