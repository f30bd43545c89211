//! COCO's annotation files (`instances_val2017.json`).

pub use super::object::Object;
use super::unreadable;
use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use univip_stdx::refusal::refuse_any;

/// An annotation file, as far as it is needed. `M` is [`Segmentation`](super::segmentation::Segmentation) or, to
/// skip all masks, [`IgnoredAny`](serde::de::IgnoredAny).
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
    pub id: u64,
    pub file_name: String,
    pub width: u32,
    pub height: u32,
}

/// A class of an annotation file.
#[derive(Debug, Deserialize)]
#[allow(missing_docs, reason = "COCO's names")]
pub struct Category {
    pub id: u64,
    pub name: String,
}

impl<M: DeserializeOwned> AnnotationFile<M> {
    /// Reads a file as a stream.
    ///
    /// # Errors
    /// When it cannot be read, is something else (naming the annotation, if it is one), or contradicts itself: lists an
    /// image or an object twice, or has objects of images or categories that it does not list.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        let read = serde_json::from_reader(BufReader::with_capacity(1 << 20, file));
        let read: Self = read.with_context(|| {
            let place = unreadable::place::<M>(path).map_or(String::new(), |place| format!(", {place}"));
            format!("{} is not a COCO annotation file{place}", path.display())
        })?;
        read.check().with_context(|| path.display().to_string())?;
        Ok(read)
    }

    fn check(&self) -> Result<()> {
        let empty = self.images.iter().filter(|image| image.width == 0 || image.height == 0);
        let empty = empty.map(|image| format!("image {} of {} x {}", image.id, image.width, image.height));
        refuse_any("images have no size", self.images.len(), empty)?;
        let twice = twice(self.images.iter().map(|image| image.id));
        refuse_any("images are listed twice", self.images.len(), twice.map(|id| format!("image {id}")))?;
        let objects = self.annotations.len();
        let twice = self::twice(self.annotations.iter().map(|object| object.id));
        refuse_any("annotations have an id twice", objects, twice.map(|id| format!("annotation {id}")))?;
        let images: HashSet<u64> = self.images.iter().map(|image| image.id).collect();
        let lost = self.annotations.iter().filter(|object| !images.contains(&object.image_id));
        let lost = lost.map(|object| format!("annotation {} of image {}", object.id, object.image_id));
        refuse_any("annotations are of images that are not listed", objects, lost)?;
        let categories: HashSet<u64> = self.categories.iter().map(|category| category.id).collect();
        let lost = self.annotations.iter().filter(|object| !categories.contains(&object.category_id));
        let lost = lost.map(|object| format!("annotation {} of category {}", object.id, object.category_id));
        refuse_any("annotations are of categories that are not listed", objects, lost)
    }
}

/// Those that have come before.
fn twice(ids: impl Iterator<Item = u64>) -> impl Iterator<Item = u64> {
    let mut seen = HashSet::new();
    ids.filter(move |id| !seen.insert(*id))
}
