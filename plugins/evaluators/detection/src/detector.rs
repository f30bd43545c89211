//! The interface of all detectors.

use crate::detections::Detection;
use crate::objects::Object;
use crate::sampling::Draws;
use anyhow::Result;
use candle_core::Tensor;

/// Training losses by torchvision's names; their sum is minimised.
pub type Losses = Vec<(&'static str, Tensor)>;

/// A network that finds objects.
pub trait Detector: Sync {
    /// The training losses of a batch, with the objects of each image. Every image has at least one.
    ///
    /// # Errors
    /// When the batch is too small for batch norm.
    fn losses(&self, images: &Images, objects: &[Vec<Object>], draws: &Draws) -> Result<Losses>;

    /// The detections in each image, best first, with running statistics.
    fn detect(&self, images: &Images) -> Result<Vec<Vec<Detection>>>;
}

/// A batch of images: `[B, H, W, 3]`, normalised, and each one's `[height, width]` within it.
pub struct Images {
    /// The pixels; beyond an image's size zeros.
    pub pixels: Tensor,
    /// Rows and columns of each image.
    pub sizes: Vec<[usize; 2]>,
}

impl Images {
    /// `[H, W]`, in which all images lie.
    pub fn input(&self) -> Result<[usize; 2]> {
        let (_, height, width, _) = self.pixels.dims4()?;
        Ok([height, width])
    }
}
