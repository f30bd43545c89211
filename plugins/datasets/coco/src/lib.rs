//! Dataset `coco`: a COCO root on disk, as downloaded from cocodataset.org.
//!
//! ```text
//! root/train2017/*.jpg    root/annotations/instances_train2017.json
//! root/val2017/*.jpg      root/annotations/instances_val2017.json
//! ```
//!
//! A directory with an annotation file has the images that the file lists, in its order, also those without an
//! object; one without (`unlabeled2017`) has the image files in it, sorted by name. So COCO+ is
//! `train = [{ images = "train2017", annotations = "annotations/instances_train2017.json" },
//! { images = "unlabeled2017" }]`. Detectors learn from and are measured on the annotated parts alone.

mod masks;

use anyhow::{Context, Result, bail, ensure};
use image::RgbImage;
use masks::Masks;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use univip_core::below::Below;
use univip_core::dataset::{Annotation, Dataset, Split};
use univip_core::digest::{hexadecimal, of_file};
use univip_core::error::{ImageError, refuse_any};
use univip_core::files::visible;
use univip_core::geometry::{BoundingBox, Size};
use univip_core::image_file;
use univip_core::metrics::GroundTruth;
use univip_core::metrics::files::{AnnotationFile, ListedImage};
use univip_core::metrics::rle::Rle;
use univip_core::recipe::{Config as _, Invalid};
use univip_core::register_dataset;
use univip_core::registry::DatasetPlugin;
use univip_core::tally::Tally;
use univip_core::whole_pixels;

/// An annotation file of which the masks, most of it, are skipped.
type Boxes = AnnotationFile<IgnoredAny>;

register_dataset!("coco", Coco, "MS COCO from a directory, with its boxes");

/// `[dataset.coco]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The directory that holds all others. Required.
    pub root: PathBuf,
    /// The parts to learn from.
    pub train: Vec<Part>,
    /// The parts to measure on.
    pub val: Vec<Part>,
    /// An annotated image may be a symbolic link to a file outside of its directory.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub follow_links: bool,
}

/// A directory of images with, or without, annotations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The directory below `root`.
    pub images: PathBuf,
    /// The annotation file below `root`; none means that every image of the directory is unlabelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        let part = |name: &str| {
            let annotations = Some(format!("annotations/instances_{name}.json").into());
            vec![Part { images: name.into(), annotations }]
        };
        Self { root: PathBuf::new(), train: part("train2017"), val: part("val2017"), follow_links: false }
    }
}

impl univip_core::recipe::Config for Config {
    const PLACES: &'static [&'static str] = &["root"];

    fn check(&self) -> Result<(), Invalid> {
        if self.root.as_os_str().is_empty() {
            let problem = "is not set; give the directory that holds train2017, val2017 and annotations";
            return Err(Invalid { key: "root", problem: problem.into() });
        }
        for (key, parts) in [("train", &self.train), ("val", &self.val)] {
            if parts.is_empty() {
                return Err(Invalid { key, problem: "names no directory; expected at least one".into() });
            }
        }
        Ok(())
    }
}

impl Config {
    fn parts(&mut self, split: Split) -> &mut Vec<Part> {
        match split {
            Split::Train => &mut self.train,
            Split::Val => &mut self.val,
        }
    }

    /// Without the unlabelled parts of a split; none where it has no such parts, or no others.
    fn annotated(&self, split: Split) -> Option<(Self, Split)> {
        let mut annotated = self.clone();
        let parts = annotated.parts(split);
        let all = parts.len();
        parts.retain(|part| part.annotations.is_some());
        (1..all).contains(&parts.len()).then_some((annotated, split))
    }
}

/// One split of a COCO root.
#[derive(Debug)]
pub struct Coco {
    images: Vec<Image>,
    classes: Vec<String>,
    files: Vec<Annotated>,
    skipped: Tally,
    digest: String,
    /// Its annotated parts alone, where it has others.
    annotated: Option<(Config, Split)>,
}

/// An annotation file that has been read.
#[derive(Debug)]
struct Annotated {
    masks: Masks,
    /// The images that it may name.
    directory: Below,
}

#[derive(Debug)]
struct Image {
    path: PathBuf,
    id: String,
    /// As the annotation file has it.
    size: Option<Size>,
    /// The place of its annotation file.
    file: Option<usize>,
    objects: Vec<Object>,
}

/// An annotated object.
#[derive(Debug)]
struct Object {
    id: u64,
    /// As the file has it: left, top, width, height.
    exact: [f64; 4],
    /// Whole pixels inside of the image, if there are any.
    bounding_box: Option<BoundingBox>,
    area: f64,
    class: usize,
    crowd: bool,
}

impl Image {
    /// The objects that can be learnt from.
    fn usable(&self) -> impl Iterator<Item = (&Object, Annotation)> {
        self.objects.iter().filter_map(|object| {
            let Object { class, crowd, .. } = *object;
            Some((object, Annotation { bounding_box: object.bounding_box?, class, crowd }))
        })
    }
}

impl Coco {
    /// Opens a split.
    ///
    /// # Errors
    /// When a directory or an annotation file is missing, broken or contradicts itself.
    pub fn open(config: &Config, split: Split) -> Result<Self> {
        config.check().map_err(|invalid| anyhow::anyhow!("{}: {}", invalid.key, invalid.problem))?;
        let parts = match split {
            Split::Train => &config.train,
            Split::Val => &config.val,
        };
        ensure!(config.root.is_dir(), "coco: root `{}` is not a directory", config.root.display());
        let files: Vec<Option<Boxes>> =
            parts.iter().map(|part| read_annotations(&config.root, part)).collect::<Result<_>>()?;
        let categories = categories(files.iter().flatten())?;
        let dense: BTreeMap<u64, usize> =
            categories.keys().enumerate().map(|(class, category)| (*category, class)).collect();
        let (mut images, mut annotated, mut skipped) = (Vec::new(), Vec::new(), Tally::default());
        for (part, file) in parts.iter().zip(files) {
            let directory = config.root.join(&part.images);
            ensure!(directory.is_dir(), "coco: `{}` is not a directory", directory.display());
            let (Some(file), Some(path)) = (file, &part.annotations) else {
                images.extend(unlabelled(&directory, &mut skipped)?);
                continue;
            };
            let (path, place) = (config.root.join(path), annotated.len());
            let directory = Below::new(&directory, config.follow_links).context("coco")?;
            let mut listed =
                listed(&directory, &file, place).with_context(|| format!("coco: {}", path.display()))?;
            add_objects(&mut listed, file, &dense, &mut skipped);
            images.extend(listed);
            annotated.push(Annotated { masks: Masks::new(path), directory });
        }
        ensure!(!images.is_empty(), "coco: the {} split of {} is empty", split.name(), config.root.display());
        let classes: Vec<String> = categories.into_values().collect();
        let annotations = parts.iter().filter_map(|part| part.annotations.as_deref());
        let digest = digest(&images, &classes, annotations.map(|path| config.root.join(path)))?;
        Ok(Self { images, classes, files: annotated, skipped, digest, annotated: config.annotated(split) })
    }

    /// The mask of an object, where its file has one.
    fn mask(&self, image: &Image, object: &Object) -> Result<Option<Rle>> {
        let Some((file, size)) = image.file.zip(image.size) else { return Ok(None) };
        self.files[file].masks.get(object.id, size)
    }
}

impl DatasetPlugin for Coco {
    type Config = Config;

    fn build(config: Config, split: Split) -> Result<Self> {
        Self::open(&config, split)
    }
}

impl Dataset for Coco {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn id(&self, index: usize) -> String {
        self.images[index].id.clone()
    }

    fn image(&self, index: usize) -> Result<RgbImage, ImageError> {
        let Image { path, file, .. } = &self.images[index];
        if let Some(file) = file {
            self.files[*file].directory.check(path)?;
        }
        image_file::read(path)
    }

    fn size(&self, index: usize) -> Result<Size, ImageError> {
        let image = &self.images[index];
        image.size.map_or_else(|| image_file::size(&image.path), Ok)
    }

    fn annotated_size(&self, index: usize) -> Option<Size> {
        self.images[index].size
    }

    fn annotations(&self, index: usize) -> Result<Vec<Annotation>> {
        Ok(self.images[index].usable().map(|(_, annotation)| annotation).collect())
    }

    fn masks(&self, index: usize) -> Result<Vec<Option<Rle>>> {
        let image = &self.images[index];
        image.usable().map(|(object, _)| self.mask(image, object)).collect()
    }

    fn ground_truth(&self, index: usize, masks: bool) -> Result<Vec<GroundTruth>> {
        let image = &self.images[index];
        let exact = |object: &Object| {
            let Object { exact: bounding_box, area, class, crowd, .. } = *object;
            let mask = if masks { self.mask(image, object)? } else { None };
            Ok(GroundTruth { image: index as u64, class, bounding_box, area, crowd, ignore: false, mask })
        };
        image.objects.iter().map(exact).collect()
    }

    fn annotated_part(&self) -> Result<Option<Box<dyn Dataset>>> {
        let Some((config, split)) = &self.annotated else { return Ok(None) };
        Ok(Some(Box::new(Self::open(config, *split)?)))
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn skipped(&self) -> Tally {
        let mut all = self.skipped.clone();
        self.files.iter().for_each(|file| all.merge(file.masks.skipped()));
        all
    }

    fn file(&self, index: usize) -> Option<PathBuf> {
        Some(self.images[index].path.clone())
    }

    fn digest(&self) -> String {
        self.digest.clone()
    }
}

fn read_annotations(root: &Path, part: &Part) -> Result<Option<Boxes>> {
    let Some(path) = &part.annotations else { return Ok(None) };
    let path = root.join(path);
    let missing =
        || format!("coco: no file {}; check `root`, or name a part without annotations", path.display());
    ensure!(path.is_file(), missing());
    Boxes::read(&path).context("coco").map(Some)
}

/// Category id to name over all files, which must agree.
fn categories<'a>(files: impl Iterator<Item = &'a Boxes>) -> Result<BTreeMap<u64, String>> {
    let mut all: BTreeMap<u64, String> = BTreeMap::new();
    for category in files.flat_map(|file| &file.categories) {
        let known = all.entry(category.id).or_insert_with(|| category.name.clone());
        if *known != category.name {
            let (id, name) = (category.id, &category.name);
            bail!(
                "coco: category {id} is called both `{known}` and `{name}`; use annotation files of one kind"
            );
        }
    }
    Ok(all)
}

/// The images that an annotation file lists, still without their objects. `place` is the file's.
fn listed(directory: &Below, file: &Boxes, place: usize) -> Result<Vec<Image>> {
    let sizes = file.sizes()?;
    let nameless = file.images.iter().filter(|image| image.file_name.is_none());
    let nameless = nameless.map(|image| format!("image {}", image.id));
    refuse_any("images [has|have] no `file_name`", file.images.len(), nameless)?;
    let image = |listed: &ListedImage| {
        let name = listed.file_name.as_deref().unwrap_or_default();
        Ok(Image {
            path: directory.path(name).with_context(|| format!("image {}", listed.id))?,
            id: listed.id.to_string(),
            size: sizes.get(&listed.id).copied(),
            file: Some(place),
            objects: Vec::new(),
        })
    };
    file.images.iter().map(image).collect()
}

/// Puts the objects of an annotation file, which has been checked, into the images that it lists.
fn add_objects(images: &mut [Image], file: Boxes, dense: &BTreeMap<u64, usize>, skipped: &mut Tally) {
    let by_id: HashMap<u64, usize> =
        file.images.iter().enumerate().map(|(place, image)| (image.id, place)).collect();
    for object in file.annotations {
        // The file lists the images and categories of its objects.
        let (id, exact, image) = (object.id, object.bbox, &mut images[by_id[&object.image_id]]);
        let Some(size) = image.size else { continue };
        let named = || format!("annotation {id} of {}", image.path.display());
        image.objects.push(Object {
            id,
            exact,
            bounding_box: whole_pixels::clip(exact, size, skipped, named),
            area: object.area.unwrap_or(exact[2] * exact[3]),
            class: dense[&object.category_id],
            crowd: object.iscrowd,
        });
    }
}

/// The images of a directory, by their names and sorted by them.
fn unlabelled(directory: &Path, skipped: &mut Tally) -> Result<Vec<Image>> {
    let mut images = Vec::new();
    for path in visible(directory).context("coco")? {
        if !image_file::is_named_as_image(&path) {
            skipped.add(image_file::OTHER_FILES, || path.display().to_string());
            continue;
        }
        let id = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        images.push(Image { path, id, size: None, file: None, objects: Vec::new() });
    }
    ensure!(!images.is_empty(), "coco: no image in {} ({})", directory.display(), image_file::endings());
    Ok(images)
}

/// Of all that is learnt from and measured: the annotation files' every byte has the exact boxes, the areas, the crowds and
/// the masks.
fn digest(
    images: &[Image],
    classes: &[String],
    annotations: impl Iterator<Item = PathBuf>,
) -> Result<String> {
    let mut hash = Sha256::new();
    for class in classes {
        hash.update(format!("class {class}\n"));
    }
    for Image { path, id, size, .. } in images {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        hash.update(format!("image {id} {name} {size:?}\n"));
    }
    for path in annotations {
        let read = || format!("coco: cannot read {}", path.display());
        hash.update(of_file(&path).with_context(read)?);
    }
    Ok(hexadecimal(&hash.finalize()[..8]))
}
