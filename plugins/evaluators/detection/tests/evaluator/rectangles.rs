//! A dataset of drawn rectangles.

use anyhow::Result;
use image::{Rgb, RgbImage};
use rand::Rng;
use univip_core::dataset::{Annotation, Dataset, Split};
use univip_core::error::ImageError;
use univip_core::geometry::{BoundingBox, Size};
use univip_core::metrics::rle::Rle;
use univip_core::seed::stream;

pub const SIZE: Size = Size { width: 96, height: 64 };

/// Images of one bright rectangle each, the class by its colour.
pub struct Rectangles {
    pub split: Split,
    pub len: usize,
    pub annotated: bool,
    /// The objects of image `index` have masks.
    pub masked: fn(usize) -> bool,
    /// The file of image `index` is damaged.
    pub damaged: fn(usize) -> bool,
    /// The annotations are of larger images.
    pub resized: bool,
    pub classes: Vec<String>,
}

impl Rectangles {
    pub fn new(split: Split, len: usize) -> Self {
        let classes = vec!["red".into(), "green".into()];
        Self { split, len, annotated: true, masked: |_| true, damaged: |_| false, resized: false, classes }
    }

    fn object(&self, index: usize) -> (BoundingBox, usize) {
        let mut stream = stream(0, "rectangles", &[self.split as u64, index as u64]);
        let (width, height) = (stream.random_range(24..48_u32), stream.random_range(24..48_u32));
        let x = stream.random_range(0..=SIZE.width - width);
        let y = stream.random_range(0..=SIZE.height - height);
        (BoundingBox::new(x, y, width, height), index % 2)
    }
}

impl Dataset for Rectangles {
    fn len(&self) -> usize {
        self.len
    }

    fn id(&self, index: usize) -> String {
        format!("rectangle-{index}")
    }

    fn image(&self, index: usize) -> Result<RgbImage, ImageError> {
        if (self.damaged)(index) {
            let problem = "is damaged".into();
            return Err(ImageError::Broken { path: self.id(index).into(), problem });
        }
        let (bounds, class) = self.object(index);
        let mut image = RgbImage::from_pixel(SIZE.width, SIZE.height, Rgb([20, 20, 40]));
        for y in bounds.y..bounds.bottom() {
            for x in bounds.x..bounds.right() {
                image.put_pixel(x, y, if class == 0 { Rgb([230, 40, 40]) } else { Rgb([40, 230, 40]) });
            }
        }
        Ok(image)
    }

    fn size(&self, _index: usize) -> Result<Size, ImageError> {
        Ok(Size { width: SIZE.width + u32::from(self.resized), ..SIZE })
    }

    fn annotations(&self, index: usize) -> Result<Vec<Annotation>> {
        let (bounding_box, class) = self.object(index);
        Ok(if self.annotated { vec![Annotation { bounding_box, class, crowd: false }] } else { Vec::new() })
    }

    fn masks(&self, index: usize) -> Result<Vec<Option<Rle>>> {
        let mask = |annotation: Annotation| match (self.masked)(index) {
            true => Rle::draw(SIZE, annotation.bounding_box, |_, _| true).map(Some),
            false => Ok(None),
        };
        self.annotations(index)?.into_iter().map(mask).collect()
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn digest(&self) -> String {
        self.split.name().into()
    }
}
