//! The images of a dataset as tensors, without those that cannot be read.

use crate::data::skipped::Skipped;
use crate::dataset::Dataset;
use crate::error::refuse_any;
use anyhow::{Context, Result, ensure};
use candle_core::{Device, Tensor};
use image::RgbImage;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// A function that renders image `index` of a split to `[S, S, 3]` floats.
pub type Render<'a> = dyn Fn(&RgbImage, usize, &mut [f32]) -> Result<()> + Sync + 'a;

/// A tensor with a row for each image that could be read.
#[derive(Debug, Clone)]
pub struct Rows {
    /// `[B, ...]`, without a row where no image could be read.
    pub values: Tensor,
    /// The image of each row: those that were asked for, in their order, without the ones that were skipped.
    pub indices: Vec<usize>,
}

impl Rows {
    /// The labels of the rows, from those of all images.
    pub fn labels(&self, all: &[u32]) -> Vec<u32> {
        self.indices.iter().map(|index| all[*index]).collect()
    }
}

/// The size and device of rendered images, and the record of skipped ones.
#[derive(Debug, Clone, Copy)]
pub struct Canvas<'a> {
    /// S, in pixels.
    pub size: u32,
    /// The device of the tensor.
    pub device: &'a Device,
    /// Skips broken images, as `loader.broken` says.
    pub skipped: &'a Skipped,
}

impl Canvas<'_> {
    /// The images at `indices`, rendered by `render` in parallel. `[B, S, S, 3]`.
    ///
    /// # Errors
    /// When an image is broken and `loader.broken` is `fail`.
    pub fn render(&self, dataset: &dyn Dataset, indices: &[usize], render: &Render<'_>) -> Result<Rows> {
        let side = self.size as usize;
        let length = side * side * 3;
        let mut pixels = vec![0f32; indices.len() * length];
        let render_one = |(out, &index): (&mut [f32], &usize)| -> Result<bool> {
            let named = || format!("image {}", dataset.id(index));
            let Some(image) = self.skipped.admit(dataset.image(index))? else { return Ok(false) };
            render(&image, index, out).with_context(named)?;
            Ok(true)
        };
        let there: Vec<bool> =
            pixels.par_chunks_mut(length).zip(indices).map(render_one).collect::<Result<_>>()?;
        if there.contains(&false) {
            let kept = pixels.chunks(length).zip(&there).filter(|(_, there)| **there);
            pixels = kept.flat_map(|(row, _)| row.iter().copied()).collect();
        }
        let indices: Vec<usize> =
            indices.iter().zip(there).filter(|(_, there)| *there).map(|(index, _)| *index).collect();
        let values = Tensor::from_vec(pixels, (indices.len(), side, side, 3), &Device::Cpu)?;
        Ok(Rows { values: values.to_device(self.device)?, indices })
    }
}

/// Refuses to measure what is left of the images `asked` for, of which `readable` were not skipped.
///
/// # Errors
/// When no image is left, or none of a class that had some: by name.
pub fn enough(dataset: &dyn Dataset, asked: &[usize], readable: &[usize]) -> Result<()> {
    ensure!(!readable.is_empty(), "not one of {} images can be read", asked.len());
    if readable.len() == asked.len() {
        return Ok(());
    }
    let classes = |indices: &[usize]| -> BTreeSet<usize> {
        indices.iter().filter_map(|index| dataset.label(*index)).collect()
    };
    let (before, after) = (classes(asked), classes(readable));
    let gone = before.difference(&after).map(|class| dataset.classes()[*class].clone());
    let problem =
        "classes [has|have] no image that can be read, so that a number would say nothing of [it|them]";
    refuse_any(problem, before.len(), gone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::BrokenImage;
    use crate::error::ImageError;
    use image::Rgb;

    /// Images of one grey each, by their index; the second of every three is damaged.
    struct Greys(Vec<String>);

    impl Dataset for Greys {
        fn len(&self) -> usize {
            6
        }

        fn id(&self, index: usize) -> String {
            index.to_string()
        }

        fn image(&self, index: usize) -> Result<RgbImage, ImageError> {
            if index % 3 == 1 {
                let (path, problem) = (self.id(index).into(), "is damaged".into());
                return Err(ImageError::Broken { path, problem });
            }
            Ok(RgbImage::from_pixel(2, 2, Rgb([index as u8; 3])))
        }

        fn label(&self, index: usize) -> Option<usize> {
            Some(usize::from(index == 1))
        }

        fn classes(&self) -> &[String] {
            &self.0
        }

        fn digest(&self) -> String {
            "greys".into()
        }
    }

    #[test]
    fn rows_are_those_of_the_images_that_can_be_read() -> Result<()> {
        let dataset = Greys(vec!["often".into(), "once".into()]);
        let level = |image: &RgbImage, index: usize, out: &mut [f32]| {
            out.fill(f32::from(image.get_pixel(0, 0)[0]) + 100.0 * index as f32);
            Ok(())
        };
        let skipped = Skipped::new(BrokenImage::Skip);
        let canvas = Canvas { size: 1, device: &Device::Cpu, skipped: &skipped };
        let rows = canvas.render(&dataset, &[5, 4, 0, 1, 2], &level)?;
        assert_eq!((rows.values.dims(), &rows.indices[..]), (&[3, 1, 1, 3][..], &[5, 0, 2][..]));
        assert_eq!(rows.values.flatten_all()?.to_vec1::<f32>()?[..4], [505.0, 505.0, 505.0, 0.0]);
        assert_eq!(rows.labels(&[9, 8, 7, 6, 5, 4]), [4, 9, 7]);
        assert_eq!(skipped.count(), 2);
        let none = canvas.render(&dataset, &[1, 4], &level)?;
        assert_eq!((none.values.dims(), none.indices.len()), (&[0, 1, 1, 3][..], 0));
        let strict = Skipped::new(BrokenImage::Fail);
        assert!(Canvas { skipped: &strict, ..canvas }.render(&dataset, &[0, 1], &level).is_err());
        Ok(())
    }

    #[test]
    fn a_class_without_images_is_named() {
        let dataset = Greys(vec!["often".into(), "once".into()]);
        let all = [0, 1, 2, 3, 4, 5];
        assert!(enough(&dataset, &all, &all).is_ok());
        assert!(enough(&dataset, &[0, 2, 4], &[0, 2]).is_ok(), "what was not asked for is not missed");
        let error = enough(&dataset, &all, &[0, 2, 3, 5]).unwrap_err().to_string();
        assert!(error.starts_with("1 of 2 classes has no image that can be read"), "{error}");
        assert!(error.ends_with(": once"), "{error}");
        assert_eq!(enough(&dataset, &[1], &[]).unwrap_err().to_string(), "not one of 1 images can be read");
    }
}
