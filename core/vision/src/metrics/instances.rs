//! COCO's files as what is measured: ground truth and detections.

use super::files::{AnnotationFile, Object};
use super::rle::Rle;
use super::segmentation::Segmentation;
use super::{Detection, GroundTruth, IouType};
use crate::geometry::{BoundingBox, Size};
use anyhow::{Context, Result};
use rayon::prelude::*;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use univip_stdx::refusal::refuse_any;
use univip_stdx::tally::Tally;

const FLAT: &str = "objects have a box without an area, which no detection finds";
const AREALESS: &str = "objects have no `area` and are as large as their box";
const POLYGONS: &str = "polygons are passed over";
const MASKLESS: &str = "images have objects without a mask and are passed over, with what was found in them";

/// The objects of an annotation file.
pub struct Instances {
    /// The names of the classes, in the order of their category ids.
    pub classes: Vec<String>,
    /// The objects.
    pub truth: Vec<GroundTruth>,
    /// What of the file could not be used as it is.
    pub passed_over: Tally,
    /// Each category's class.
    categories: BTreeMap<u64, usize>,
    images: HashMap<u64, Size>,
    /// Images that cannot be measured on.
    excluded: BTreeSet<u64>,
}

/// The detections of a results file.
pub struct Results {
    /// The detections in images that are measured on.
    pub detections: Vec<Detection>,
    /// Whether pycocotools takes their sizes from boxes or from masks: from boxes, if the first has one.
    pub size_of: IouType,
    /// What of the file could not be used as it is.
    pub passed_over: Tally,
}

/// An entry of a results file. `M` as in [`AnnotationFile`].
#[derive(Deserialize)]
struct Entry<M = Segmentation> {
    image_id: u64,
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
    /// measured on then, and are passed over.
    ///
    /// # Errors
    /// As [`AnnotationFile::read`], and for a mask that is broken.
    pub fn read(path: &Path, kind: IouType) -> Result<Self> {
        match kind {
            IouType::BoundingBox => {
                let file = AnnotationFile::<IgnoredAny>::read(path)?;
                let mut instances = Self::without_objects(&file);
                file.annotations.iter().for_each(|object| instances.add(object, Mask::default(), kind));
                Ok(instances)
            }
            IouType::Segmentation => Self::with_masks(path),
        }
    }

    fn with_masks(path: &Path) -> Result<Self> {
        let file = AnnotationFile::<Segmentation>::read(path)?;
        let mut instances = Self::without_objects(&file);
        let read = |object: &Object<Segmentation>| {
            let named = || format!("{}, annotation {}", path.display(), object.id);
            Mask::new(object.segmentation.as_ref(), instances.images[&object.image_id]).with_context(named)
        };
        let masks: Vec<Mask> = file.annotations.par_iter().map(read).collect::<Result<_>>()?;
        for (object, mask) in file.annotations.iter().zip(masks) {
            instances.add(object, mask, IouType::Segmentation);
        }
        instances.truth.retain(|object| !instances.excluded.contains(&object.image));
        for image in &instances.excluded {
            instances.passed_over.add(MASKLESS, || format!("image {image}"));
        }
        Ok(instances)
    }

    fn without_objects<M>(file: &AnnotationFile<M>) -> Self {
        let categories: BTreeMap<u64, &String> =
            file.categories.iter().map(|category| (category.id, &category.name)).collect();
        Self {
            classes: categories.values().map(|name| name.to_string()).collect(),
            truth: Vec::with_capacity(file.annotations.len()),
            passed_over: Tally::default(),
            categories: categories.keys().enumerate().map(|(class, id)| (*id, class)).collect(),
            images: file
                .images
                .iter()
                .map(|image| (image.id, Size { width: image.width, height: image.height }))
                .collect(),
            excluded: BTreeSet::new(),
        }
    }

    fn add<M>(&mut self, object: &Object<M>, mask: Mask, kind: IouType) {
        let (image, named) =
            (object.image_id, || format!("annotation {} of image {}", object.id, object.image_id));
        let [_, _, width, height] = object.bbox;
        if kind == IouType::BoundingBox && !(width > 0.0 && height > 0.0) {
            self.passed_over.add(FLAT, || format!("{} with {:?}", named(), object.bbox));
        }
        let area = object.area.unwrap_or_else(|| {
            self.passed_over.add(AREALESS, named);
            width * height
        });
        for problem in &mask.problems {
            self.passed_over.add(POLYGONS, || format!("{}: {problem:#}", named()));
        }
        if kind == IouType::Segmentation && mask.mask.is_none() {
            self.excluded.insert(image);
        }
        self.truth.push(GroundTruth {
            image,
            class: self.categories[&object.category_id],
            bounding_box: object.bbox,
            area,
            crowd: object.iscrowd != 0,
            ignore: false,
            mask: mask.mask,
        });
    }

    /// Reads what was found in these images.
    ///
    /// # Errors
    /// When the file cannot be read or is something else, when it has detections of images or categories that the
    /// annotation file does not list, or detections without what is measured.
    pub fn results(&self, path: &Path, kind: IouType) -> Result<Results> {
        let text = std::fs::read(path).with_context(|| format!("opening {}", path.display()))?;
        let entries =
            entries(&text, kind).with_context(|| format!("{} is not a COCO results file", path.display()))?;
        drop(text);
        self.convert(entries, kind).with_context(|| path.display().to_string())
    }

    fn convert(&self, entries: Vec<Entry>, kind: IouType) -> Result<Results> {
        let refuse = |problem: &str, has: &dyn Fn(&Entry) -> Option<String>| {
            refuse_any(&format!("detections {problem}"), entries.len(), entries.iter().filter_map(has))
        };
        refuse("are in images that the annotation file does not list", &|entry| {
            (!self.images.contains_key(&entry.image_id)).then(|| format!("image {}", entry.image_id))
        })?;
        refuse(
            "are of categories that the annotation file does not list (are they class numbers?)",
            &|entry| {
                let category = entry.category_id;
                (!self.categories.contains_key(&category)).then(|| format!("category {category}"))
            },
        )?;
        let without =
            |field: &'static str, entry: &Entry| format!("one in image {} has no `{field}`", entry.image_id);
        match kind {
            IouType::BoundingBox => refuse("have neither a box nor a mask", &|entry| {
                (entry.bbox.is_none() && entry.segmentation.is_none()).then(|| without("bbox", entry))
            })?,
            IouType::Segmentation => refuse("have no mask", &|entry| {
                entry.segmentation.is_none().then(|| without("segmentation", entry))
            })?,
        }
        let boxed = entries.first().is_none_or(|first| first.bbox.is_some());
        let size_of = if boxed { IouType::BoundingBox } else { IouType::Segmentation };
        let mut passed_over = Tally::default();
        let read: Vec<(Detection, Vec<anyhow::Error>)> = entries
            .into_par_iter()
            .filter(|entry| !self.excluded.contains(&entry.image_id))
            .map(|entry| self.detection(entry, kind, size_of))
            .collect::<Result<_>>()?;
        let mut detections = Vec::with_capacity(read.len());
        for (detection, problems) in read {
            for problem in problems {
                passed_over.add(POLYGONS, || format!("one found in image {}: {problem:#}", detection.image));
            }
            detections.push(detection);
        }
        Ok(Results { detections, size_of, passed_over })
    }

    fn detection(
        &self,
        entry: Entry,
        kind: IouType,
        size_of: IouType,
    ) -> Result<(Detection, Vec<anyhow::Error>)> {
        let size = self.images[&entry.image_id];
        let needed =
            kind == IouType::Segmentation || size_of == IouType::Segmentation || entry.bbox.is_none();
        let segmentation = entry.segmentation.as_ref().filter(|_| needed);
        let Mask { mask, problems } = Mask::new(segmentation, size)
            .with_context(|| format!("a mask found in image {}", entry.image_id))?;
        // Where no polygon was whole, nothing was found.
        let mask =
            mask.map_or_else(|| needed.then(|| Rle::empty(size)).transpose(), |mask| Ok(Some(mask)))?;
        let bounds = mask.as_ref().and_then(Rle::bounding_box).unwrap_or(BoundingBox::new(0, 0, 0, 0));
        let bounds = [bounds.x, bounds.y, bounds.width, bounds.height].map(f64::from);
        let detection = Detection {
            image: entry.image_id,
            class: self.categories[&entry.category_id],
            bounding_box: entry.bbox.unwrap_or(bounds),
            score: entry.score,
            mask,
        };
        Ok((detection, problems))
    }
}

/// Masks are read where they are measured, or where some detection has no box but that of its mask.
fn entries(text: &[u8], kind: IouType) -> serde_json::Result<Vec<Entry>> {
    if kind == IouType::BoundingBox {
        let boxes: Vec<Entry<IgnoredAny>> = serde_json::from_slice(text)?;
        if boxes.iter().all(|entry| entry.bbox.is_some()) {
            return Ok(boxes.into_iter().map(Entry::without_mask).collect());
        }
    }
    serde_json::from_slice(text)
}

/// A mask, where there is one, and what is wrong with polygons of it.
#[derive(Default)]
struct Mask {
    mask: Option<Rle>,
    problems: Vec<anyhow::Error>,
}

impl Mask {
    fn new(segmentation: Option<&Segmentation>, size: Size) -> Result<Self> {
        let Some(segmentation) = segmentation else { return Ok(Self::default()) };
        let (mask, problems) = segmentation.mask(size)?;
        // An object whose polygons are all broken is there, and cannot be found.
        let mask = if problems.is_empty() { mask } else { Some(mask.map_or_else(|| Rle::empty(size), Ok)?) };
        Ok(Self { mask, problems })
    }
}
