//! The objects in a training image.

use crate::boxes::Corners;
use crate::convention::Convention;
use crate::roi_align::{Sampling, Square, sample};

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

/// The boxes of each image's objects.
pub fn corners(objects: &[Vec<Object>]) -> Vec<Vec<Corners>> {
    objects.iter().map(|all| all.iter().map(|object| object.corners).collect()).collect()
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
    /// The share of the object in each of `side` x `side` cells of a box, row by row: torchvision's
    /// `project_masks_on_boxes`; in detectron2 (`BitMasks.crop_and_resize`) 1 from a half on and 0 below.
    /// The box is in pixels of an image of `[height, width]` that the bitmap, whatever its own size, covers.
    pub fn project(
        &self,
        corners: Corners,
        image: [usize; 2],
        side: usize,
        convention: Convention,
    ) -> Vec<f32> {
        let [rows, columns] = self.size;
        let corners = corners.scaled(columns as f32 / image[1] as f32, rows as f32 / image[0] as f32);
        let shares = |aligned| {
            let sampling = Sampling { points: 0, aligned };
            sample(&self.pixels, self.size, corners, Square { side, scale: 1.0, sampling })
        };
        match convention {
            Convention::Torchvision => shares(false),
            Convention::Detectron2 => {
                shares(true).into_iter().map(|share| if share >= 0.5 { 1.0 } else { 0.0 }).collect()
            }
        }
    }

    /// The bitmap with left and right exchanged.
    #[must_use]
    pub fn mirrored(mut self) -> Self {
        self.pixels.chunks_mut(self.size[1].max(1)).for_each(<[bool]>::reverse);
        self
    }
}
