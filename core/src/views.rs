//! Which parts of an image the networks see: pure geometry, without a pixel or a network.

use crate::geometry::{BoundingBox, Size};
use crate::proposals::BoxLimits;
use crate::seed::Stream;
use anyhow::Result;
use rand::Rng;
use serde::{Deserialize, Serialize};

/// The crops of one image, in its unflipped pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewPlan {
    /// The two scene views s_1 and s_2.
    pub scenes: [BoundingBox; 2],
    /// What both scene views cover (T of Algorithm 1), if anything.
    pub overlap: Option<BoundingBox>,
    /// The K instances.
    pub instances: Vec<BoundingBox>,
    /// How many of the instances are proposals; the others are naive boxes.
    pub from_proposals: usize,
    /// How many pairs of scene views were tried.
    pub tries: u32,
}

/// What a view sampler is built with, besides its own table of the recipe.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewContext {
    /// K, the number of instances; 0 when no loss looks at instances.
    pub instances: usize,
    /// How scene views are cropped.
    pub crop: CropLimits,
    /// The limits for naive boxes.
    pub limits: BoxLimits,
}

/// The limits of a random resized crop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CropLimits {
    /// Share of the image's area, from and to.
    pub scale: [f64; 2],
    /// Width over height, from and to.
    pub ratio: [f64; 2],
}

impl Default for CropLimits {
    fn default() -> Self {
        Self { scale: [0.08, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0] }
    }
}

impl CropLimits {
    /// Draws a crop of an image, as torchvision's `RandomResizedCrop.get_params` does: area uniform,
    /// aspect ratio log-uniform, place uniform; after ten draws that do not fit, the central crop
    /// nearest to the allowed ratios.
    pub fn sample(&self, size: Size, stream: &mut Stream) -> BoundingBox {
        let area = f64::from(size.width) * f64::from(size.height);
        let [low, high] = self.ratio.map(f64::ln);
        for _ in 0..10 {
            let target = area * (self.scale[0] + (self.scale[1] - self.scale[0]) * stream.random::<f64>());
            let ratio = (low + (high - low) * stream.random::<f64>()).exp();
            let width = (target * ratio).sqrt().round_ties_even() as u32;
            let height = (target / ratio).sqrt().round_ties_even() as u32;
            if (1..=size.width).contains(&width) && (1..=size.height).contains(&height) {
                let y = stream.random_range(0..=size.height - height);
                let x = stream.random_range(0..=size.width - width);
                return BoundingBox::new(x, y, width, height);
            }
        }
        self.central(size)
    }

    fn central(&self, size: Size) -> BoundingBox {
        let (width, height) = (f64::from(size.width), f64::from(size.height));
        let ratio = (width / height).clamp(self.ratio[0], self.ratio[1]);
        let width = (height * ratio).round_ties_even().clamp(1.0, width) as u32;
        let height = (f64::from(width) / ratio).round_ties_even().clamp(1.0, height) as u32;
        BoundingBox::new((size.width - width) / 2, (size.height - height) / 2, width, height)
    }
}

/// A way to choose the crops of an image.
pub trait ViewSampler: Send + Sync {
    /// Chooses the crops for an image of `size` whose filtered proposals are `boxes`, best first.
    ///
    /// Always ends, whatever the size; every crop lies inside the image.
    fn sample(&self, size: Size, boxes: &[BoundingBox], stream: &mut Stream) -> Result<ViewPlan>;
}
