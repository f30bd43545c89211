//! The properties of one image of a dataset.

use sha2::{Digest as _, Sha256};
use univip_core::dataset::Dataset;
use univip_core::error::ImageError;
use univip_core::geometry::Size;

/// An image as it was found.
pub struct Seen {
    /// Its name.
    pub id: String,
    /// It has a class as a whole.
    pub labelled: bool,
    /// That class and those of its objects, by index.
    pub classes: Vec<usize>,
    /// The contents of its file, or the reason why it cannot be read.
    pub pixels: Result<Pixels, String>,
    /// The size that its annotations are of.
    pub annotated: Option<Size>,
    /// Boxes that leave the image, as they are written.
    pub outside: Vec<[f64; 4]>,
    /// Boxes without an area.
    pub flat: usize,
    /// Why its annotations cannot be read.
    pub unreadable_annotations: Option<String>,
}

/// The contents of an image's file.
pub struct Pixels {
    /// As the image is shown, upright.
    pub size: Size,
    /// Of the size and every pixel.
    pub digest: [u8; 32],
}

/// Reads image `index` and what is known about it.
pub fn at(dataset: &dyn Dataset, index: usize) -> Seen {
    let pixels = dataset.image(index).map(|image| {
        let size = Size { width: image.width(), height: image.height() };
        let mut hash = Sha256::new();
        hash.update(size.width.to_le_bytes());
        hash.update(image.as_raw());
        Pixels { size, digest: hash.finalize().into() }
    });
    let mut seen = Seen {
        id: dataset.id(index),
        labelled: dataset.label(index).is_some(),
        classes: dataset.label(index).into_iter().collect(),
        pixels: pixels.map_err(problem),
        annotated: dataset.annotated_size(index),
        outside: Vec::new(),
        flat: 0,
        unreadable_annotations: None,
    };
    let bounds = seen.annotated.or(seen.pixels.as_ref().ok().map(|pixels| pixels.size));
    match dataset.ground_truth(index, false) {
        Ok(objects) => {
            for object in objects {
                seen.classes.push(object.class);
                let [_, _, width, height] = object.bounding_box;
                if !(width > 0.0 && height > 0.0) {
                    seen.flat += 1;
                } else if bounds.is_some_and(|bounds| leaves(object.bounding_box, bounds)) {
                    seen.outside.push(object.bounding_box);
                }
            }
        }
        Err(error) => seen.unreadable_annotations = Some(format!("{error:#}")),
    }
    seen
}

/// True for a box `[x, y, width, height]` that is outside by more than the pixel that annotators round to.
fn leaves([x, y, width, height]: [f64; 4], size: Size) -> bool {
    let inside = |from: f64, extent: f64, side: u32| from >= -1.0 && from + extent <= f64::from(side) + 1.0;
    !(inside(x, width, size.width) && inside(y, height, size.height))
}

/// The problem of an image, without its path where that is known.
fn problem(error: ImageError) -> String {
    match error {
        ImageError::Broken { problem, .. } => problem,
        other => format!("{:#}", anyhow::Error::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_may_leave_its_image_by_a_pixel() {
        let size = Size { width: 100, height: 50 };
        for (bounding_box, expected) in [
            ([0.0, 0.0, 100.0, 50.0], false),
            ([-0.9, 0.0, 101.8, 50.0], false),
            ([-1.1, 0.0, 10.0, 10.0], true),
            ([95.0, 0.0, 6.1, 10.0], true),
            ([0.0, 49.0, 10.0, 2.1], true),
            ([f64::NAN, 0.0, 10.0, 10.0], true),
        ] {
            assert_eq!(leaves(bounding_box, size), expected, "{bounding_box:?}");
        }
    }
}
