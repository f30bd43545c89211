//! The trait of datasets, and parts of a dataset.

use super::content::Content;
use crate::counted::agreed;
use crate::digest::hexadecimal;
use crate::error::ImageError;
use crate::geometry::{BoundingBox, Size};
use crate::metrics::GroundTruth;
use crate::metrics::rle::Rle;
use crate::seed::stream;
use crate::tally::Tally;
use anyhow::Result;
use image::RgbImage;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;

/// A part of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// The part that networks learn from.
    Train,
    /// The part that is measured on and never seen in training.
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

    /// True if there is no image.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A name that a person finds the image by: its path, its COCO id.
    fn id(&self, index: usize) -> String;

    /// The pixels, 8-bit RGB, upright.
    ///
    /// # Errors
    /// [`ImageError::Broken`], with the file, when the image is missing, truncated or damaged; a run may go on without it.
    /// Any other error stops the run, and so does an [`ImageError`] that was made an [`anyhow::Error`] on the way.
    fn image(&self, index: usize) -> Result<RgbImage, ImageError>;

    /// The size of [`Dataset::image`], without decoding where that is possible.
    ///
    /// # Errors
    /// As [`Dataset::image`].
    fn size(&self, index: usize) -> Result<Size, ImageError> {
        let (width, height) = self.image(index)?.dimensions();
        Ok(Size { width, height })
    }

    /// The annotated objects; empty where a dataset has none.
    fn annotations(&self, _index: usize) -> Result<Vec<Annotation>> {
        Ok(Vec::new())
    }

    /// For each of [`Dataset::annotations`], in their order, its pixels where they are known; of [`Dataset::size`].
    fn masks(&self, index: usize) -> Result<Vec<Option<Rle>>> {
        Ok(vec![None; self.annotations(index)?.len()])
    }

    /// The objects that detections in the image are measured against; `image` is the index. They are as exact as the dataset is, and
    /// include what cannot be learnt from: boxes in fractions of a pixel, boxes without an area. Without `masks` no
    /// object has one, and a dataset need not read them; all else is the same.
    fn ground_truth(&self, index: usize, masks: bool) -> Result<Vec<GroundTruth>> {
        let objects = self.annotations(index)?.into_iter().zip(self.masks(index)?);
        let exact = |(Annotation { bounding_box: bounds, class, crowd }, mask): (_, Option<Rle>)| {
            let area = mask.as_ref().map_or(bounds.area(), Rle::area) as f64;
            let bounding_box = [bounds.x, bounds.y, bounds.width, bounds.height].map(f64::from);
            let mask = mask.filter(|_| masks);
            GroundTruth { image: index as u64, class, bounding_box, area, crowd, ignore: false, mask }
        };
        Ok(objects.map(exact).collect())
    }

    /// The size that the annotations of an image were made for, where they say; it should be [`Dataset::size`].
    fn annotated_size(&self, _index: usize) -> Option<Size> {
        None
    }

    /// The class of an image of one object: an index into [`Dataset::classes`].
    fn label(&self, _index: usize) -> Option<usize> {
        None
    }

    /// The part of the split whose images were annotated, where others were not: of an image that nobody looked at, having no
    /// object says nothing. None where all images, or none, were annotated. Its digest is that of a dataset without the others.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn annotated_part(&self) -> Result<Option<Box<dyn Dataset>>> {
        Ok(None)
    }

    /// The names of the classes; empty where a dataset has none.
    fn classes(&self) -> &[String] {
        &[]
    }

    /// The parts of the split that could not be used so far, counted and named.
    fn skipped(&self) -> Tally {
        Tally::default()
    }

    /// The file that an image is read from; none where the dataset makes its images itself.
    fn file(&self, _index: usize) -> Option<PathBuf> {
        None
    }

    /// The contents of [`Dataset::file`].
    fn content(&self, index: usize) -> Option<Content> {
        self.file(index).map(|file| Content::of(&file))
    }

    /// A digest of all that the split is but the contents of its image files (names, classes, annotations; the pixels of
    /// images without a file), to tell one split from another. Where it lies on disk is no part of it. 16 hexadecimal
    /// digits.
    fn digest(&self) -> String;

    /// A digest of [`Dataset::digest`] and of each [`Dataset::content`]: of all that a result can follow from. 16
    /// hexadecimal digits.
    fn identity(&self) -> String {
        let mut hash = Sha256::new_with_prefix(self.digest());
        let mut files = false;
        for index in 0..self.len() {
            match self.content(index) {
                Some(content) => {
                    files = true;
                    hash.update(format!("{content}\n"));
                }
                None => hash.update("-\n"),
            }
        }
        if files { hexadecimal(&hash.finalize()[..8]) } else { self.digest() }
    }
}

/// Some of a dataset's images.
pub struct Limited {
    dataset: Arc<dyn Dataset>,
    /// The images' places in `dataset`; all of them where none is given.
    chosen: Option<Vec<usize>>,
}

impl Limited {
    /// The first `limit` images; 0 is all of them.
    pub fn first(dataset: impl Into<Arc<dyn Dataset>>, limit: usize) -> Self {
        let dataset = dataset.into();
        let chosen = (limit > 0 && limit < dataset.len()).then(|| (0..limit).collect());
        Self { dataset, chosen }
    }

    /// `limit` images drawn from the whole dataset, which may be sorted by class or cycle through the classes;
    /// 0 is all of them. The same ones for every run.
    pub fn drawn(dataset: impl Into<Arc<dyn Dataset>>, limit: usize) -> Self {
        let dataset = dataset.into();
        let len = dataset.len();
        let draw = || {
            let mut chosen =
                rand::seq::index::sample(&mut stream(0, "limit", &[len as u64]), len, limit).into_vec();
            chosen.sort_unstable();
            chosen
        };
        let chosen = (limit > 0 && limit < len).then(draw);
        Self { dataset, chosen }
    }

    /// The first `limit` images of a random order of the whole dataset, so that fewer are always among more: what a few labels
    /// are worth is then measured with the same ones at each number. 0 is all of them; the same ones for every run.
    pub fn nested(dataset: impl Into<Arc<dyn Dataset>>, limit: usize) -> Self {
        let dataset = dataset.into();
        let len = dataset.len();
        let draw = || {
            let mut order: Vec<usize> = (0..len).collect();
            order.shuffle(&mut stream(0, "nested limit", &[len as u64]));
            order.truncate(limit);
            order.sort_unstable();
            order
        };
        let chosen = (limit > 0 && limit < len).then(draw);
        Self { dataset, chosen }
    }

    /// The dataset that these images are of. The images of [`Limited::first`] have the same index in it.
    pub fn whole(&self) -> &dyn Dataset {
        &*self.dataset
    }

    /// Their indices in the whole dataset.
    pub fn places(&self) -> Vec<usize> {
        (0..self.len()).map(|index| self.place(index)).collect()
    }

    fn place(&self, index: usize) -> usize {
        self.chosen.as_ref().map_or(index, |chosen| chosen[index])
    }
}

impl Dataset for Limited {
    fn len(&self) -> usize {
        self.chosen.as_ref().map_or(self.dataset.len(), Vec::len)
    }

    fn id(&self, index: usize) -> String {
        self.dataset.id(self.place(index))
    }

    fn image(&self, index: usize) -> Result<RgbImage, ImageError> {
        self.dataset.image(self.place(index))
    }

    fn size(&self, index: usize) -> Result<Size, ImageError> {
        self.dataset.size(self.place(index))
    }

    fn annotations(&self, index: usize) -> Result<Vec<Annotation>> {
        self.dataset.annotations(self.place(index))
    }

    fn masks(&self, index: usize) -> Result<Vec<Option<Rle>>> {
        self.dataset.masks(self.place(index))
    }

    fn ground_truth(&self, index: usize, masks: bool) -> Result<Vec<GroundTruth>> {
        let mut objects = self.dataset.ground_truth(self.place(index), masks)?;
        objects.iter_mut().for_each(|object| object.image = index as u64);
        Ok(objects)
    }

    fn annotated_size(&self, index: usize) -> Option<Size> {
        self.dataset.annotated_size(self.place(index))
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.dataset.label(self.place(index))
    }

    fn file(&self, index: usize) -> Option<PathBuf> {
        self.dataset.file(self.place(index))
    }

    fn content(&self, index: usize) -> Option<Content> {
        self.dataset.content(self.place(index))
    }

    fn classes(&self) -> &[String] {
        self.dataset.classes()
    }

    fn skipped(&self) -> Tally {
        self.dataset.skipped()
    }

    fn digest(&self) -> String {
        let Some(chosen) = &self.chosen else { return self.dataset.digest() };
        let mut hash = Sha256::new();
        hash.update(self.dataset.digest());
        chosen.iter().for_each(|place| hash.update((*place as u64).to_le_bytes()));
        hexadecimal(&hash.finalize()[..8])
    }
}

/// The difference of `val`'s classes from `train`'s: unknown ones, or else other numbers, with the first by name. None if
/// val's classes are train's first ones.
pub fn class_difference(train: &[String], val: &[String]) -> Option<String> {
    let place = |classes: &[String], name: &String| classes.iter().position(|class| class == name);
    let unknown: Vec<&String> = val.iter().filter(|name| place(train, name).is_none()).collect();
    if let Some(first) = unknown.first() {
        let all = val.len();
        let are = agreed(unknown.len(), "[is|are] not in train, the first is");
        return Some(format!("{} of val's {all} classes {are} `{first}`", unknown.len()));
    }
    let (of_val, name) = val.iter().enumerate().find(|(number, name)| train.get(*number) != Some(*name))?;
    let of_train = place(train, name)?;
    Some(format!(
        "`{name}` is class {of_val} of val's {} and class {of_train} of train's {}",
        val.len(),
        train.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Images that nobody looks at.
    struct Named(usize);

    impl Dataset for Named {
        fn len(&self) -> usize {
            self.0
        }

        fn id(&self, index: usize) -> String {
            format!("{index}")
        }

        fn image(&self, _index: usize) -> Result<RgbImage, ImageError> {
            Ok(RgbImage::new(1, 1))
        }

        fn digest(&self) -> String {
            "named".into()
        }
    }

    fn whole() -> Arc<dyn Dataset> {
        Arc::new(Named(1000))
    }

    #[test]
    fn fewer_nested_images_are_among_more() {
        let names = |limit| -> BTreeSet<String> {
            let some = Limited::nested(whole(), limit);
            (0..some.len()).map(|index| some.id(index)).collect()
        };
        let subsets = [1, 10, 200, 999, 1000].map(names);
        assert_eq!(subsets.each_ref().map(BTreeSet::len), [1, 10, 200, 999, 1000]);
        assert!(subsets.windows(2).all(|pair| pair[0].is_subset(&pair[1])));
        assert_eq!((names(0).len(), names(5000).len()), (1000, 1000), "all of them");
        // From the whole of it: the chance that none of the last half is among 200 is below 1e-66.
        assert!(subsets[2].iter().any(|name| name.parse::<usize>().is_ok_and(|index| index >= 500)));
        assert_ne!(Limited::nested(whole(), 10).digest(), Limited::nested(whole(), 200).digest());
        assert_eq!(Limited::nested(whole(), 1000).digest(), "named");
    }
}
