//! From the images of a dataset to batches of a detector.

use crate::boxes::Corners;
use crate::detector::Images;
use crate::objects::{Bitmap, Object};
use anyhow::{Context, Result, ensure};
use candle_core::{Device, Tensor};
use rand::Rng;
use rayon::prelude::*;
use univip_core::dataset::Dataset;
use univip_core::error::ImageError;
use univip_core::geometry::Size;
use univip_core::metrics::GroundTruth;
use univip_core::metrics::rle::Rle;
use univip_core::seed::Stream;
use univip_core::skipped::Skipped;
use univip_core::views::augment::Renderer;

/// The last map's stride: sides of a batch are multiples of it.
const STRIDE: usize = 32;

/// An image as the detector sees it.
pub struct Input {
    /// Rows and columns.
    pub size: [usize; 2],
    /// `[height, width, 3]`, normalised.
    pub pixels: Vec<f32>,
    /// The objects in it; empty for measurement.
    pub objects: Vec<Object>,
}

/// Renders images of one dataset.
pub struct Inputs<'a> {
    /// The dataset of the images.
    pub dataset: &'a dyn Dataset,
    /// Resizes and normalises.
    pub renderer: &'a Renderer,
    /// The longest side, in pixels.
    pub longest: u32,
    /// Masks are learnt too; an object without one is learnt by its box.
    pub masks: bool,
    /// The handling of images that cannot be read.
    pub skipped: &'a Skipped,
}

impl Inputs<'_> {
    /// Image `index` with its short side at `side` pixels, to measure; none where it cannot be read and is skipped.
    pub fn plain(&self, index: usize, side: u32) -> Result<Option<Input>> {
        let Some(full) = self.size(index)? else { return Ok(None) };
        Ok(self.skipped.admit(self.rendered(index, full, side, false))?)
    }

    /// Image `index` to learn from: its short side one of `sides`, mirrored half of the time. None where it has no
    /// object that can be learnt from, or cannot be read and is skipped.
    pub fn training(&self, index: usize, sides: &[u32], stream: &mut Stream) -> Result<Option<Input>> {
        let side = sides[stream.random_range(0..sides.len() as u32) as usize];
        let mirrored = stream.random_bool(0.5);
        let Some((full, known)) = self.known(index)? else { return Ok(None) };
        let Some(mut input) = self.skipped.admit(self.rendered(index, full, side, mirrored))? else {
            return Ok(None);
        };
        let place = |known| object(known, full, input.size, mirrored);
        input.objects = known.into_iter().map(place).collect();
        Ok(Some(input))
    }

    /// True if some image can be learnt from: it has an object and, where masks are learnt, one with a mask.
    pub fn teach(&self) -> Result<bool> {
        for index in 0..self.dataset.len() {
            let Some((_, known)) = self.known(index)? else { continue };
            if known.iter().any(|known| !self.masks || known.mask.is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The objects of image `index`, in pixels of the dataset's image; their masks where these are learnt.
    pub fn ground_truth(&self, index: usize) -> Result<Vec<GroundTruth>> {
        self.dataset.ground_truth(index, self.masks).with_context(|| self.named(index))
    }

    /// The size of image `index` and what can be learnt from it, if anything can. Where nothing is annotated the size is not
    /// asked for: it may take a look into the image's file.
    fn known(&self, index: usize) -> Result<Option<(Size, Vec<Known>)>> {
        let mut objects = self.ground_truth(index)?;
        objects.retain(|object| !object.crowd);
        if objects.is_empty() {
            return Ok(None);
        }
        let Some(full) = self.size(index)? else { return Ok(None) };
        let known: Vec<Known> = objects.into_iter().filter_map(|object| Known::of(object, full)).collect();
        Ok((!known.is_empty()).then_some((full, known)))
    }

    /// The annotated size of image `index`; none where it cannot be read and is skipped.
    fn size(&self, index: usize) -> Result<Option<Size>> {
        self.skipped.admit(self.dataset.size(index)).with_context(|| self.named(index))
    }

    fn named(&self, index: usize) -> String {
        format!("image {}", self.dataset.id(index))
    }

    fn rendered(&self, index: usize, full: Size, side: u32, mirrored: bool) -> Result<Input, ImageError> {
        let named = || self.named(index);
        let image = self.dataset.image(index)?;
        same(Size { width: image.width(), height: image.height() }, full).with_context(named)?;
        let size = resized(full, side, self.longest);
        let (height, width) = (size.height as usize, size.width as usize);
        let mut pixels = vec![0f32; height * width * 3];
        self.renderer.whole(&image, size, mirrored, &mut pixels).with_context(named)?;
        Ok(Input { size: [height, width], pixels, objects: Vec::new() })
    }
}

/// An object in pixels of the dataset's image.
struct Known {
    corners: Corners,
    class: usize,
    mask: Option<Rle>,
}

impl Known {
    /// The part of an object that is inside of an image of `size`, to fractions of a pixel; none without an area.
    fn of(object: GroundTruth, size: Size) -> Option<Self> {
        let [x, y, width, height] = object.bounding_box;
        let edges = [x, y, x + width, y + height].map(|edge| edge as f32);
        let corners = Corners::new(edges).clipped([size.height as usize, size.width as usize]);
        let there = corners.width() > 0.0 && corners.height() > 0.0;
        there.then_some(Self { corners, class: object.class, mask: object.mask })
    }
}

/// Boxes are in pixels of the annotated size: in an image of another they would lie beside their objects.
fn same(image: Size, annotated: Size) -> Result<()> {
    ensure!(
        image == annotated,
        "it has {} x {} pixels, and its annotations are of {} x {}",
        image.width,
        image.height,
        annotated.width,
        annotated.height
    );
    Ok(())
}

/// An object of an image of size `full` in one of `[height, width]`, which may show it mirrored.
fn object(known: Known, full: Size, seen: [usize; 2], mirrored: bool) -> Object {
    let Known { corners, class, mask } = known;
    let [x, y] = [seen[1] as f32 / full.width as f32, seen[0] as f32 / full.height as f32];
    let mut corners = corners.scaled(x, y);
    let mut mask = mask.map(|mask| {
        let size = [mask.size().height as usize, mask.size().width as usize];
        Bitmap { size, pixels: mask.decode().into_iter().map(|pixel| pixel > 0).collect() }
    });
    if mirrored {
        let width = seen[1] as f32;
        (corners.left, corners.right) = (width - corners.right, width - corners.left);
        mask = mask.map(Bitmap::mirrored);
    }
    Object { corners, class, mask }
}

/// The size whose short side is `side`, or whose long side is `longest` where that is smaller.
fn resized(full: Size, side: u32, longest: u32) -> Size {
    let (short, long) = (full.width.min(full.height), full.width.max(full.height));
    let scale = (f64::from(side) / f64::from(short.max(1))).min(f64::from(longest) / f64::from(long.max(1)));
    let scaled = |extent: u32| ((f64::from(extent) * scale).round() as u32).max(1);
    Size { width: scaled(full.width), height: scaled(full.height) }
}

/// One batch: images in the corner of a common frame, whose sides are multiples of 32.
pub fn batch(inputs: &[Input], device: &Device) -> Result<Images> {
    let side =
        |axis: usize| inputs.iter().map(|input| input.size[axis]).max().unwrap_or(0).next_multiple_of(STRIDE);
    let (height, width) = (side(0), side(1));
    let mut pixels = vec![0f32; inputs.len() * height * width * 3];
    pixels.par_chunks_mut(height * width * 3).zip(inputs).for_each(|(frame, input)| {
        let rows = frame.chunks_mut(width * 3).zip(input.pixels.chunks(input.size[1] * 3));
        rows.for_each(|(frame, row)| frame[..row.len()].copy_from_slice(row));
    });
    let pixels =
        Tensor::from_vec(pixels, (inputs.len(), height, width, 3), &Device::Cpu)?.to_device(device)?;
    Ok(Images { pixels, sizes: inputs.iter().map(|input| input.size).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use univip_core::geometry::BoundingBox;

    #[test]
    fn sizes_are_those_of_detectron2() {
        let size = |width, height| Size { width, height };
        // ResizeShortestEdge.get_output_shape with (side, longest).
        for (full, side, longest, expected) in [
            (size(640, 480), 800, 1333, size(1067, 800)),
            (size(480, 640), 640, 1333, size(640, 853)),
            (size(1000, 300), 800, 1333, size(1333, 400)),
            (size(128, 128), 128, 256, size(128, 128)),
        ] {
            assert_eq!(resized(full, side, longest), expected);
        }
    }

    #[test]
    fn objects_move_with_their_image() -> Result<()> {
        let (full, bounds) = (Size { width: 10, height: 4 }, BoundingBox::new(1, 0, 3, 2));
        let mask = Rle::draw(full, bounds, |x, _| x == 1)?;
        let seen = |mirrored| {
            let (corners, mask) = (Corners::new([1.0, 0.0, 4.0, 2.0]), Some(mask.clone()));
            object(Known { corners, class: 5, mask }, full, [8, 30], mirrored)
        };
        let (plain, mirrored) = (seen(false), seen(true));
        assert_eq!(plain.corners.array(), [3.0, 0.0, 12.0, 4.0]);
        assert_eq!((mirrored.corners.array(), mirrored.class), ([18.0, 0.0, 27.0, 4.0], 5));
        let set = |object: &Object| -> Vec<usize> {
            let pixels = object.mask.as_ref().map(|mask| mask.pixels.clone()).unwrap_or_default();
            (0..pixels.len()).filter(|pixel| pixels[*pixel]).collect()
        };
        assert_eq!((set(&plain), set(&mirrored)), (vec![1, 11], vec![8, 18]));
        Ok(())
    }

    #[test]
    fn boxes_are_learnt_to_fractions_of_a_pixel_where_they_are_inside_of_the_image() {
        let size = Size { width: 10, height: 4 };
        for (exact, expected) in [
            ([1.25, 0.5, 3.5, 2.25], Some([1.25, 0.5, 4.75, 2.75])),
            ([-1.5, 3.25, 20.0, 2.0], Some([0.0, 3.25, 10.0, 4.0])),
            ([3.0, 1.0, 0.0, 2.0], None),
            ([10.5, 1.0, 2.0, 2.0], None),
            ([f64::NAN, 1.0, 2.0, 2.0], None),
        ] {
            let known = Known::of(GroundTruth::of_box(0, 0, exact), size);
            assert_eq!(known.map(|known| known.corners.array()), expected, "{exact:?}");
        }
    }

    #[test]
    fn an_image_of_another_size_than_its_annotations_is_refused() {
        let size = |width, height| Size { width, height };
        assert!(same(size(30, 20), size(30, 20)).is_ok());
        let said = same(size(30, 20), size(20, 30)).unwrap_err().to_string();
        assert_eq!(said, "it has 30 x 20 pixels, and its annotations are of 20 x 30");
    }

    #[test]
    fn smaller_images_are_padded_with_zeros() -> Result<()> {
        let input = |height: usize, width: usize, value: f32| Input {
            size: [height, width],
            pixels: vec![value; height * width * 3],
            objects: Vec::new(),
        };
        let images = batch(&[input(33, 20, 1.0), input(10, 64, 2.0)], &Device::Cpu)?;
        assert_eq!(images.pixels.dims(), [2, 64, 64, 3]);
        assert_eq!(images.sizes, [[33, 20], [10, 64]]);
        let sum = images.pixels.sum((1, 2, 3))?.to_vec1::<f32>()?;
        assert_eq!(sum, [(33 * 20 * 3) as f32, (10 * 64 * 3) as f32 * 2.0]);
        let row = images.pixels.get(0)?.get(32)?.flatten_all()?.to_vec1::<f32>()?;
        assert!(row[..60].iter().all(|value| *value == 1.0) && row[60..].iter().all(|value| *value == 0.0));
        Ok(())
    }
}
