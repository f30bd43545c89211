//! COCO's annotation files (`instances_val2017.json`).

use super::numbers::{flag, whole, whole_or_none};
use super::unreadable::{List, explain, readable};
use crate::geometry::Size;
use anyhow::{Context, Result, anyhow};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use univip_stdx::json_file::{self, JsonFileError};
use univip_stdx::refusal::refuse_any;

/// An annotation file, as far as it is needed. `M` is [`Segmentation`](super::segmentation::Segmentation) or, to
/// skip all masks, [`IgnoredAny`].
#[derive(Debug, Deserialize)]
pub struct AnnotationFile<M> {
    /// The images, also those without an object.
    pub images: Vec<ListedImage>,
    /// The objects.
    #[serde(default = "Vec::new")]
    pub annotations: Vec<Object<M>>,
    /// The classes.
    #[serde(default)]
    pub categories: Vec<Category>,
}

/// An image of an annotation file.
#[derive(Debug, Deserialize)]
#[allow(missing_docs, reason = "COCO's names")]
pub struct ListedImage {
    #[serde(deserialize_with = "whole")]
    pub id: u64,
    pub file_name: Option<String>,
    #[serde(default, deserialize_with = "whole_or_none")]
    pub width: Option<u32>,
    #[serde(default, deserialize_with = "whole_or_none")]
    pub height: Option<u32>,
}

/// An object of an annotation file.
#[derive(Debug, Deserialize)]
#[allow(missing_docs, reason = "COCO's names")]
pub struct Object<M> {
    #[serde(deserialize_with = "whole")]
    pub id: u64,
    #[serde(deserialize_with = "whole")]
    pub image_id: u64,
    #[serde(deserialize_with = "whole")]
    pub category_id: u64,
    /// Left, top, width, height, in fractions of a pixel.
    pub bbox: [f64; 4],
    /// Of the mask.
    pub area: Option<f64>,
    #[serde(default, deserialize_with = "flag")]
    pub iscrowd: bool,
    #[serde(default = "Option::default")]
    pub segmentation: Option<M>,
}

/// A class of an annotation file.
#[derive(Debug, Deserialize)]
#[allow(missing_docs, reason = "COCO's names")]
pub struct Category {
    #[serde(deserialize_with = "whole")]
    pub id: u64,
    pub name: String,
}

impl<M: DeserializeOwned> AnnotationFile<M> {
    /// Reads a file as a stream.
    ///
    /// # Errors
    /// When it cannot be read, is something else (naming the entry, if it is one), or contradicts itself: lists an image or
    /// an object twice, or has objects of images or categories that it does not list.
    pub fn read(path: &Path) -> Result<Self> {
        let read: Self = json_file::stream(path).map_err(|error| match error {
            JsonFileError::Json(error) => {
                let why = explain(path, &lists::<M>(), &error);
                anyhow!("{} is not a COCO annotation file: {why}", path.display())
            }
            JsonFileError::Text(error) => error.into(),
        })?;
        read.check().with_context(|| path.display().to_string())?;
        Ok(read)
    }
    fn check(&self) -> Result<()> {
        let twice = twice(self.images.iter().map(|image| image.id));
        refuse_any("images [is|are] listed twice", self.images.len(), twice.map(|id| format!("image {id}")))?;
        let objects = self.annotations.len();
        let twice = self::twice(self.annotations.iter().map(|object| object.id));
        refuse_any(
            "annotations [has|have] the id of another",
            objects,
            twice.map(|id| format!("annotation {id}")),
        )?;
        let images: HashSet<u64> = self.images.iter().map(|image| image.id).collect();
        let lost = self.annotations.iter().filter(|object| !images.contains(&object.image_id));
        let lost = lost.map(|object| format!("annotation {} of image {}", object.id, object.image_id));
        refuse_any("annotations [is of an image that is|are of images that are] not listed", objects, lost)?;
        let categories: HashSet<u64> = self.categories.iter().map(|category| category.id).collect();
        let lost = self.annotations.iter().filter(|object| !categories.contains(&object.category_id));
        let lost = lost.map(|object| format!("annotation {} of category {}", object.id, object.category_id));
        refuse_any(
            "annotations [is of a category that is|are of categories that are] not listed",
            objects,
            lost,
        )
    }
}

impl<M> AnnotationFile<M> {
    /// The size of each image, by its id. Boxes are measured without.
    ///
    /// # Errors
    /// When images have none, or one of no pixels: names the first.
    pub fn sizes(&self) -> Result<HashMap<u64, Size>> {
        let mut sizes = HashMap::with_capacity(self.images.len());
        let mut without = Vec::new();
        for image in &self.images {
            match (image.width, image.height) {
                (Some(width @ 1..), Some(height @ 1..)) => {
                    sizes.insert(image.id, Size { width, height });
                }
                (Some(width), Some(height)) => {
                    without.push(format!("image {} of {width} x {height}", image.id))
                }
                _ => without.push(format!("image {} without `width` or `height`", image.id)),
            }
        }
        refuse_any("images [has|have] no size", self.images.len(), without.into_iter())?;
        Ok(sizes)
    }
}

/// Reads the entries of an annotation file.
fn lists<M: DeserializeOwned>() -> [List; 3] {
    let object = |value: &Value| match readable::<Object<M>>(value) {
        Err((_, error)) if Object::<IgnoredAny>::deserialize(value).is_ok() => {
            Err(("the segmentation of ", error))
        }
        read => read,
    };
    [
        List { key: "images", entry: "image", check: readable::<ListedImage> },
        List { key: "annotations", entry: "annotation", check: object },
        List { key: "categories", entry: "category", check: readable::<Category> },
    ]
}

/// Those that have come before.
fn twice(ids: impl Iterator<Item = u64>) -> impl Iterator<Item = u64> {
    let mut seen = HashSet::new();
    ids.filter(move |id| !seen.insert(*id))
}
