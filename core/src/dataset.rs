//! Where images come from.

use crate::geometry::{BoundingBox, Size};
use anyhow::Result;
use image::RgbImage;
use serde::{Deserialize, Serialize};

/// Which part of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// What a network may learn from.
    Train,
    /// What it is measured on, and never sees in training.
    Val,
}

impl Split {
    /// `train` or `val`.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Val => "val",
        }
    }
}

/// An annotated object.
#[derive(Debug, Clone, PartialEq)]
pub struct Annotation {
    /// Its box in pixels of the image as [`Dataset::image`] returns it.
    pub bounding_box: BoundingBox,
    /// An index into [`Dataset::classes`].
    pub class: usize,
    /// A box around a group, never a single object (COCO's `iscrowd`).
    pub crowd: bool,
}

/// Images, by index, with what is known about them. Every answer depends on the index alone.
pub trait Dataset: Send + Sync {
    /// The number of images.
    fn len(&self) -> usize;

    /// Whether there is no image.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A name that a person finds the image by: its path, its COCO id.
    fn id(&self, index: usize) -> String;

    /// The pixels, 8-bit RGB, upright.
    ///
    /// # Errors
    /// [`crate::error::ImageError`], with the file, when the image is missing, truncated or broken.
    fn image(&self, index: usize) -> Result<RgbImage>;

    /// The size of [`Dataset::image`], without decoding where that is possible.
    fn size(&self, index: usize) -> Result<Size> {
        let (width, height) = self.image(index)?.dimensions();
        Ok(Size { width, height })
    }

    /// The annotated objects; empty where a dataset has none.
    fn annotations(&self, _index: usize) -> Result<Vec<Annotation>> {
        Ok(Vec::new())
    }

    /// The class of an image of one object: an index into [`Dataset::classes`].
    fn label(&self, _index: usize) -> Option<usize> {
        None
    }

    /// The names of the classes; empty where a dataset has none.
    fn classes(&self) -> &[String] {
        &[]
    }

    /// A digest of what is in the split (names, sizes, labels), to tell one split from another.
    /// 16 hexadecimal digits.
    fn digest(&self) -> String;
}
