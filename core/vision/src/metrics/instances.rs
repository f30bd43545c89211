//! COCO's files as what is measured: ground truth and detections.

use super::files::{AnnotationFile, Object};
use super::numbers::whole;
use super::rle::Rle;
use super::segmentation::{Drawn, Oddity, Segmentation};
use super::unreadable::{List, explain, readable};
use super::{Detection, GroundTruth, IouType};
use crate::geometry::{BoundingBox, Size};
use anyhow::{Context, Result, anyhow};
use rayon::prelude::*;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use univip_stdx::json_file::{self, JsonFileError};
use univip_stdx::refusal::refuse_any;
use univip_stdx::tally::Tally;

const FLAT: &str = "object[ has|s have] a box without an area, which no detection finds";
const AREALESS: &str = "object[ has|s have] no `area` and [is as large as its|are as large as their] box";
const MASKLESS: &str =
    "image[ has|s have] objects without a mask and [is|are] skipped, with what was found in [it|them]";

/// The objects of an annotation file.
pub struct Instances {
    /// The names of the classes, in the order of their category ids.
    pub classes: Vec<String>,
    /// The objects.
    pub truth: Vec<GroundTruth>,
    /// Problems with the file that were worked around.
    pub skipped: Tally,
    /// Each category's class.
    categories: BTreeMap<u64, usize>,
    images: HashSet<u64>,
    /// Of each image, where masks are measured; of a file of boxes, where it has them all.
    sizes: Result<HashMap<u64, Size>, String>,
    /// Images that cannot be measured on.
    excluded: BTreeSet<u64>,
}

/// The detections of a results file.
pub struct Results {
    /// The detections in images that are measured on.
    pub detections: Vec<Detection>,
    /// The shape that pycocotools takes their sizes from: boxes, if the first detection has one, and otherwise masks.
    pub size_of: IouType,
    /// Problems with the file that were worked around.
    pub skipped: Tally,
}

/// An entry of a results file. `M` as in [`AnnotationFile`].
#[derive(Deserialize)]
struct Entry<M = Segmentation> {
    #[serde(deserialize_with = "whole")]
    image_id: u64,
    #[serde(deserialize_with = "whole")]
    category_id: u64,
    score: f64,
    bbox: Option<[f64; 4]>,
    #[serde(default = "Option::default")]
    segmentation: Option<M>,
}

impl Entry<IgnoredAny> {
    fn without_mask(self) -> Entry {
        let Self { image_id, category_id, score, bbox, .. } = self;
        Entry { image_id, category_id, score, bbox, segmentation: None }
    }
}

impl Instances {
    /// Reads an annotation file; masks only where they are measured. Images with an object that has no mask cannot be
    /// measured on then, and are skipped.
    ///
    /// # Errors
    /// As [`AnnotationFile::read`], and for a mask that is broken.
    pub fn read(path: &Path, kind: IouType) -> Result<Self> {
        match kind {
            IouType::BoundingBox => {
                let file = AnnotationFile::<IgnoredAny>::read(path)?;
                let mut instances = Self::without_objects(&file);
                file.annotations.iter().for_each(|object| instances.add(object, Drawn::default(), kind));
                Ok(instances)
            }
            IouType::Segmentation => Self::with_masks(path),
        }
    }

    fn with_masks(path: &Path) -> Result<Self> {
        let file = AnnotationFile::<Segmentation>::read(path)?;
        let mut instances = Self::without_objects(&file);
        let sizes = file.sizes().with_context(|| path.display().to_string())?;
        let read = |object: &Object<Segmentation>| {
            let named = || format!("{}, annotation {}", path.display(), object.id);
            drawn(object.segmentation.as_ref(), sizes[&object.image_id]).with_context(named)
        };
        let masks: Vec<Drawn> = file.annotations.par_iter().map(read).collect::<Result<_>>()?;
        for (object, mask) in file.annotations.iter().zip(masks) {
            instances.add(object, mask, IouType::Segmentation);
        }
        instances.truth.retain(|object| !instances.excluded.contains(&object.image));
        for image in &instances.excluded {
            instances.skipped.add(MASKLESS, || format!("image {image}"));
        }
        Ok(instances)
    }

    fn without_objects<M>(file: &AnnotationFile<M>) -> Self {
        let categories: BTreeMap<u64, &String> =
            file.categories.iter().map(|category| (category.id, &category.name)).collect();
        Self {
            classes: categories.values().map(|name| name.to_string()).collect(),
            truth: Vec::with_capacity(file.annotations.len()),
            skipped: Tally::default(),
            categories: categories.keys().enumerate().map(|(class, id)| (*id, class)).collect(),
            images: file.images.iter().map(|image| image.id).collect(),
            sizes: file.sizes().map_err(|error| error.to_string()),
            excluded: BTreeSet::new(),
        }
    }

    fn add<M>(&mut self, object: &Object<M>, drawn: Drawn, kind: IouType) {
        let (image, named) =
            (object.image_id, || format!("annotation {} of image {}", object.id, object.image_id));
        let [_, _, width, height] = object.bbox;
        if kind == IouType::BoundingBox && !(width > 0.0 && height > 0.0) {
            self.skipped.add(FLAT, || format!("{} with {:?}", named(), object.bbox));
        }
        let area = object.area.unwrap_or_else(|| {
            self.skipped.add(AREALESS, named);
            width * height
        });
        drawn.oddities.iter().for_each(|oddity| oddity.count(&mut self.skipped, named));
        if kind == IouType::Segmentation && drawn.mask.is_none() {
            self.excluded.insert(image);
        }
        self.truth.push(GroundTruth {
            image,
            class: self.categories[&object.category_id],
            bounding_box: object.bbox,
            area,
            crowd: object.iscrowd,
            ignore: false,
            mask: drawn.mask,
        });
    }

    /// Reads what was found in these images.
    ///
    /// # Errors
    /// When the file cannot be read or is something else, when it has detections of images or categories that the
    /// annotation file does not list, or detections without what is measured.
    pub fn results(&self, path: &Path, kind: IouType) -> Result<Results> {
        let entries = entries(path, kind).map_err(|error| match error {
            JsonFileError::Json(error) => {
                let why = explain(path, &[LISTED], &error);
                anyhow!("{} is not a COCO results file: {why}", path.display())
            }
            JsonFileError::Text(error) => error.into(),
        })?;
        self.convert(entries, kind).with_context(|| path.display().to_string())
    }

    fn convert(&self, entries: Vec<Entry>, kind: IouType) -> Result<Results> {
        let refuse = |problem: &str, has: &dyn Fn(&Entry) -> Option<String>| {
            refuse_any(&format!("detections {problem}"), entries.len(), entries.iter().filter_map(has))
        };
        refuse("[is in an image|are in images] that the annotation file does not list", &|entry| {
            (!self.images.contains(&entry.image_id)).then(|| format!("image {}", entry.image_id))
        })?;
        refuse(
            "[is of a category|are of categories] that the annotation file does not list \
             ([is it a class number|are they class numbers]?)",
            &|entry| {
                let category = entry.category_id;
                (!self.categories.contains_key(&category)).then(|| format!("category {category}"))
            },
        )?;
        let without =
            |field: &'static str, entry: &Entry| format!("one in image {} has no `{field}`", entry.image_id);
        match kind {
            IouType::BoundingBox => refuse("[has|have] neither a box nor a mask", &|entry| {
                (entry.bbox.is_none() && entry.segmentation.is_none()).then(|| without("bbox", entry))
            })?,
            IouType::Segmentation => refuse("[has|have] no mask", &|entry| {
                entry.segmentation.is_none().then(|| without("segmentation", entry))
            })?,
        }
        let boxed = entries.first().is_none_or(|first| first.bbox.is_some());
        let size_of = if boxed { IouType::BoundingBox } else { IouType::Segmentation };
        let mut skipped = Tally::default();
        let read: Vec<Found> = entries
            .into_par_iter()
            .filter(|entry| !self.excluded.contains(&entry.image_id))
            .map(|entry| self.detection(entry, kind, size_of))
            .collect::<Result<_>>()?;
        let mut detections = Vec::with_capacity(read.len());
        for Found { detection, oddities } in read {
            let named = || format!("one found in image {}", detection.image);
            oddities.iter().for_each(|oddity| oddity.count(&mut skipped, named));
            detections.push(detection);
        }
        Ok(Results { detections, size_of, skipped })
    }

    fn detection(&self, entry: Entry, kind: IouType, size_of: IouType) -> Result<Found> {
        let needed =
            kind == IouType::Segmentation || size_of == IouType::Segmentation || entry.bbox.is_none();
        let Drawn { mask, oddities } = match needed {
            true => self
                .found_mask(&entry)
                .with_context(|| format!("a mask found in image {}", entry.image_id))?,
            false => Drawn::default(),
        };
        let bounds = mask.as_ref().and_then(Rle::bounding_box).unwrap_or(BoundingBox::new(0, 0, 0, 0));
        let bounds = [bounds.x, bounds.y, bounds.width, bounds.height].map(f64::from);
        let detection = Detection {
            image: entry.image_id,
            class: self.categories[&entry.category_id],
            bounding_box: entry.bbox.unwrap_or(bounds),
            score: entry.score,
            mask,
        };
        Ok(Found { detection, oddities })
    }

    /// The mask of a detection, which has no pixel where no polygon was whole.
    fn found_mask(&self, entry: &Entry) -> Result<Drawn> {
        let sizes = self.sizes.as_ref().map_err(|problem| anyhow!("of the annotation file, {problem}"))?;
        let size = sizes[&entry.image_id];
        let drawn = drawn(entry.segmentation.as_ref(), size)?;
        Ok(Drawn { mask: Some(drawn.mask.map_or_else(|| Rle::empty(size), Ok)?), ..drawn })
    }
}

/// A detection, with what was odd about its polygons.
struct Found {
    detection: Detection,
    oddities: Vec<Oddity>,
}

/// Reads the entries of a results file.
const LISTED: List = List {
    key: "",
    entry: "detection",
    check: |value| match readable::<Entry>(value) {
        Err((_, error)) if Entry::<IgnoredAny>::deserialize(value).is_ok() => {
            Err(("the segmentation of ", error))
        }
        read => read,
    },
};

/// Masks are read where they are measured, or where some detection has no box but that of its mask.
fn entries(path: &Path, kind: IouType) -> Result<Vec<Entry>, JsonFileError> {
    if kind == IouType::BoundingBox {
        let boxes: Vec<Entry<IgnoredAny>> = json_file::read(path)?;
        if boxes.iter().all(|entry| entry.bbox.is_some()) {
            return Ok(boxes.into_iter().map(Entry::without_mask).collect());
        }
    }
    json_file::read(path)
}

/// The mask of a segmentation. An object whose polygons are all broken is there, and cannot be found.
fn drawn(segmentation: Option<&Segmentation>, size: Size) -> Result<Drawn> {
    let Some(segmentation) = segmentation else { return Ok(Drawn::default()) };
    let mut drawn = segmentation.mask(size)?;
    if drawn.mask.is_none() && !drawn.oddities.is_empty() {
        drawn.mask = Some(Rle::empty(size)?);
    }
    Ok(drawn)
}
