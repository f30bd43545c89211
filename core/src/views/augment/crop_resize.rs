//! Crop and resize with antialiasing, as torchvision does on Pillow images.

use super::Interpolation;
use crate::geometry::{BoundingBox, Size};
use anyhow::{Result, ensure};
use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

/// Resizes into a buffer that it keeps.
#[derive(Default)]
pub(super) struct CropResize {
    resizer: Resizer,
    pixels: Vec<u8>,
}

impl CropResize {
    /// The crop as `[size, size, 3]`. Pixels outside of the crop have no influence, as if it were cut out first.
    pub fn crop(
        &mut self,
        image: &RgbImage,
        crop: &BoundingBox,
        size: u32,
        interpolation: Interpolation,
    ) -> Result<&mut [u8]> {
        let (width, height) = image.dimensions();
        let inside = |start: u32, extent: u32, limit: u32| {
            extent > 0 && start.checked_add(extent).is_some_and(|end| end <= limit)
        };
        ensure!(
            inside(crop.x, crop.width, width) && inside(crop.y, crop.height, height),
            "the crop {crop:?} is not inside the image of {width} x {height} pixels"
        );
        self.resize(image, crop, Size { width: size, height: size }, &options(interpolation))
    }

    /// The whole image at another size, `[height, width, 3]`.
    pub fn whole(&mut self, image: &RgbImage, size: Size, interpolation: Interpolation) -> Result<&mut [u8]> {
        let (width, height) = image.dimensions();
        ensure!(width > 0 && height > 0, "an image of {width} x {height} pixels cannot be resized");
        self.resize(image, &BoundingBox::new(0, 0, width, height), size, &options(interpolation))
    }

    /// The centre of the image as `[size, size, 3]` after its short side was resized to `size * 256 / 224`.
    pub fn centre(&mut self, image: &RgbImage, size: u32, interpolation: Interpolation) -> Result<&mut [u8]> {
        let (width, height) = image.dimensions();
        ensure!(width > 0 && height > 0, "an image of {width} x {height} pixels has no centre");
        let resized = resized(Size { width, height }, size);
        // Only the pixels of the centre are computed: the resizer takes its box in fractions of a source pixel.
        let across = |full: u32, resized: u32| {
            let scale = f64::from(full) / f64::from(resized);
            let start = (f64::from(resized - size) / 2.0).round_ties_even();
            (start * scale, f64::from(size) * scale)
        };
        let (left, box_width) = across(width, resized.width);
        let (top, box_height) = across(height, resized.height);
        let options = options(interpolation).crop(left, top, box_width, box_height);
        let target = Size { width: size, height: size };
        self.resize(image, &BoundingBox::new(0, 0, width, height), target, &options)
    }

    /// Through views of one pixel type: those that can be of any compile a resizer for each, which takes longer than all
    /// the rest of this crate.
    fn resize(
        &mut self,
        image: &RgbImage,
        crop: &BoundingBox,
        size: Size,
        options: &ResizeOptions,
    ) -> Result<&mut [u8]> {
        self.pixels.resize(3 * size.width as usize * size.height as usize, 0);
        let source = TypedImageRef::<U8x3>::from_buffer(image.width(), image.height(), image.as_raw())?;
        let source = TypedCroppedImage::from_ref(&source, crop.x, crop.y, crop.width, crop.height)?;
        let mut target = TypedImage::<U8x3>::from_buffer(size.width, size.height, &mut self.pixels)?;
        self.resizer.resize_typed(&source, &mut target, options)?;
        Ok(&mut self.pixels)
    }
}

fn options(interpolation: Interpolation) -> ResizeOptions {
    let filter = match interpolation {
        Interpolation::Bilinear => FilterType::Bilinear,
        Interpolation::Bicubic => FilterType::CatmullRom,
    };
    ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter))
}

/// The size after torchvision's `Resize(size * 256 / 224)`: the short side rounded, the long one truncated.
fn resized(full: Size, size: u32) -> Size {
    let short = (u64::from(size) * 256 + 112) / 224;
    let along = |side: u32, other: u32| {
        if side <= other { short as u32 } else { (short * u64::from(side) / u64::from(other)) as u32 }
    };
    Size { width: along(full.width, full.height), height: along(full.height, full.width) }
}
