//! The splits that a detector learns from and is measured on, with one numbering of the classes.

use anyhow::{Result, bail};
use image::RgbImage;
use std::path::PathBuf;
use std::sync::Arc;
use univip_core::dataset::{Annotation, Dataset, Split, class_difference};
use univip_core::error::{ImageError, NotApplicable};
use univip_core::evaluate::Scenes;
use univip_core::geometry::Size;
use univip_core::identity::Content;
use univip_core::metrics::GroundTruth;
use univip_core::metrics::rle::Rle;
use univip_core::tally::Tally;

/// The splits that a detector learns from and is measured on.
pub struct Splits {
    /// The split that is learned from.
    pub train: Arc<dyn Dataset>,
    /// The split that is measured, with train's classes.
    pub val: Arc<dyn Dataset>,
    /// Notes on its classes for the log.
    pub note: Option<String>,
}

impl Splits {
    /// Opens both. Val may lack some of train's classes, or number them otherwise: they are matched by their names.
    ///
    /// # Errors
    /// When val has a class that train has not; [`NotApplicable`] when there are no classes.
    pub fn open(scenes: &Scenes<'_>) -> Result<Self> {
        let train = scenes(Split::Train)?;
        if train.classes().is_empty() {
            let problem = "detection needs images with annotated objects, and train has no classes: set data.use to such a \
                           dataset, or leave `detection` out of evaluators.use";
            return Err(NotApplicable(problem.into()).into());
        }
        let val = scenes(Split::Val)?;
        if val.classes() == train.classes() {
            return Ok(Self { train, val, note: None });
        }
        let classes = train.classes().to_vec();
        let difference = class_difference(&classes, val.classes());
        let place = |name: &String| classes.iter().position(|class| class == name);
        let places: Option<Vec<usize>> = val.classes().iter().map(place).collect();
        let Some(places) = places else {
            bail!(
                "{}: a detector cannot find what it has not learned; rename or remove it in the annotations, or leave \
                 `detection` out of evaluators.use",
                difference.unwrap_or_default()
            );
        };
        let note = difference.map(|difference| format!("{difference}; classes are matched by their names"));
        Ok(Self { train, val: Arc::new(Renumbered { dataset: val, places, classes }), note })
    }
}

/// A dataset whose classes have other numbers.
struct Renumbered {
    dataset: Arc<dyn Dataset>,
    /// The new number of each class.
    places: Vec<usize>,
    classes: Vec<String>,
}

impl Dataset for Renumbered {
    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn id(&self, index: usize) -> String {
        self.dataset.id(index)
    }

    fn image(&self, index: usize) -> Result<RgbImage, ImageError> {
        self.dataset.image(index)
    }

    fn size(&self, index: usize) -> Result<Size, ImageError> {
        self.dataset.size(index)
    }

    fn annotations(&self, index: usize) -> Result<Vec<Annotation>> {
        let mut objects = self.dataset.annotations(index)?;
        objects.iter_mut().for_each(|object| object.class = self.places[object.class]);
        Ok(objects)
    }

    fn masks(&self, index: usize) -> Result<Vec<Option<Rle>>> {
        self.dataset.masks(index)
    }

    fn ground_truth(&self, index: usize, masks: bool) -> Result<Vec<GroundTruth>> {
        let mut objects = self.dataset.ground_truth(index, masks)?;
        objects.iter_mut().for_each(|object| object.class = self.places[object.class]);
        Ok(objects)
    }

    fn annotated_size(&self, index: usize) -> Option<Size> {
        self.dataset.annotated_size(index)
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.dataset.label(index).map(|class| self.places[class])
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn skipped(&self) -> Tally {
        self.dataset.skipped()
    }

    fn file(&self, index: usize) -> Option<PathBuf> {
        self.dataset.file(index)
    }

    fn content(&self, index: usize) -> Option<Content> {
        self.dataset.content(index)
    }

    fn digest(&self) -> String {
        self.dataset.digest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;
    use univip_core::geometry::BoundingBox;

    /// One image with an object of each class, in their order.
    struct Classes(Vec<String>);

    impl Dataset for Classes {
        fn len(&self) -> usize {
            1
        }
        fn id(&self, index: usize) -> String {
            index.to_string()
        }
        fn image(&self, _index: usize) -> Result<RgbImage, ImageError> {
            Err(anyhow!("classes need no pixels").into())
        }
        fn size(&self, _index: usize) -> Result<Size, ImageError> {
            Ok(Size { width: 9, height: 9 })
        }
        fn annotations(&self, _index: usize) -> Result<Vec<Annotation>> {
            let bounding_box = BoundingBox::new(0, 0, 9, 9);
            Ok((0..self.0.len()).map(|class| Annotation { bounding_box, class, crowd: false }).collect())
        }
        fn classes(&self) -> &[String] {
            &self.0
        }
        fn digest(&self) -> String {
            self.0.join(" ")
        }
    }

    #[test]
    fn classes_of_val_get_the_numbers_of_train() {
        let dataset = |names: &[&str]| -> Arc<dyn Dataset> {
            Arc::new(Classes(names.iter().map(ToString::to_string).collect()))
        };
        let cases: [(&[&str], &[usize], Option<&str>); 4] = [
            (&["cat", "dog", "cow"], &[0, 1, 2], None),
            (&["cat"], &[0], None),
            (&["cow", "cat"], &[2, 0], Some("`cow` is class 0 of val's 2 and class 2 of train's 3; ")),
            (&["dog"], &[1], Some("`dog` is class 0 of val's 1 and class 1 of train's 3; ")),
        ];
        for (names, expected, note) in cases {
            let scenes =
                |split| Ok(dataset(if split == Split::Val { names } else { &["cat", "dog", "cow"] }));
            let splits = Splits::open(&scenes).unwrap();
            assert_eq!(splits.val.classes(), ["cat", "dog", "cow"]);
            let found: Vec<usize> = splits.val.annotations(0).unwrap().iter().map(|one| one.class).collect();
            let measured: Vec<usize> =
                splits.val.ground_truth(0, true).unwrap().iter().map(|one| one.class).collect();
            assert_eq!((&found[..], &measured[..]), (expected, expected), "{names:?}");
            assert_eq!(splits.note.is_some(), note.is_some());
            assert!(splits.note.unwrap_or_default().starts_with(note.unwrap_or_default()), "{names:?}");
        }
        let scenes = |split| Ok(dataset(if split == Split::Val { &["cat", "cta"] } else { &["cat"] }));
        let error = Splits::open(&scenes).err().unwrap().to_string();
        assert!(error.contains("1 of val's 2 classes is not in train, the first is `cta`"), "{error}");
        let nothing = Splits::open(&|_| Ok(dataset(&[]))).err().unwrap();
        assert!(nothing.is::<NotApplicable>());
    }
}
