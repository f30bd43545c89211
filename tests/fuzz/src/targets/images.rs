//! Image files of every format.

use super::{Bound, Opened, Target};
use crate::mutate::Dialect;
use univip_core::image_file;

/// Pixels, and the size that is known without them.
pub const IMAGES: Target = Target {
    name: "images",
    summary: "image files: JPEG, PNG and all others that are read",
    dialect: Dialect::Picture,
    // Memory follows the pixels, and those the limit.
    bound: Bound { bytes: 24 * MOST_PIXELS as usize, per_byte: 100 },
    place: "image",
    fixtures: &[
        "core/tests/fixtures/augment/files/alpha.png",
        "core/tests/fixtures/augment/files/bit.png",
        "core/tests/fixtures/augment/files/cmyk.jpg",
        "core/tests/fixtures/augment/files/grey.jpg",
        "core/tests/fixtures/augment/files/orientation-6.jpg",
        "core/tests/fixtures/augment/files/palette.png",
        "core/tests/fixtures/augment/files/progressive.jpg",
        "core/tests/fixtures/augment/files/restarts.jpg",
        "core/tests/fixtures/augment/files/sixteen.png",
        "core/tests/fixtures/augment/files/subsampled.jpg",
        "core/tests/fixtures/augment/files/alpha.webp",
        "core/tests/fixtures/augment/files/animated.webp",
        "core/tests/fixtures/augment/files/bit.pbm",
        "core/tests/fixtures/augment/files/deflate.tif",
        "core/tests/fixtures/augment/files/frames.gif",
        "core/tests/fixtures/augment/files/lossless.webp",
        "core/tests/fixtures/augment/files/lossy.webp",
        "core/tests/fixtures/augment/files/lzw.tiff",
        "core/tests/fixtures/augment/files/orientation-6.tif",
        "core/tests/fixtures/augment/files/pages.tif",
        "core/tests/fixtures/augment/files/palette.bmp",
        "core/tests/fixtures/augment/files/palette.gif",
        "core/tests/fixtures/augment/files/rgb.ppm",
        "core/tests/fixtures/augment/files/rgb.qoi",
        "core/tests/fixtures/augment/files/sixteen.tif",
        "core/tests/fixtures/augment/files/transparent.gif",
    ],
    prepare: |_| {
        image_file::limit_pixels(MOST_PIXELS);
        Ok(Opened::new(|path, _| {
            let size = image_file::size(path);
            let image = image_file::read(path)?;
            let size = size?;
            assert_eq!((size.width, size.height), image.dimensions(), "its size is not that of its pixels");
            Ok(())
        }))
    },
    planted: false,
};

const MOST_PIXELS: u64 = 1 << 20;
