//! Dataset `voc`: PASCAL VOC's development kit on disk, as its archives unpack.
//!
//! ```text
//! root/VOC2007/JPEGImages/000005.jpg     root/VOC2007/ImageSets/Main/trainval.txt
//! root/VOC2007/Annotations/000005.xml    root/VOC2012/...
//! ```
//!
//! A split is a union of image sets. The default is the usual one, "07+12": to learn from, `trainval` of both years; to
//! measure on, `test` of 2007. Objects marked as difficult may be learnt from, and are ignored when detections are
//! measured.

mod annotation;

use annotation::AnnotationFile;
use anyhow::{Context, Result, anyhow, bail, ensure};
use image::RgbImage;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use univip_core::below::Below;
use univip_core::dataset::{Annotation, Dataset, Split};
use univip_core::digest::hexadecimal;
use univip_core::error::{ImageError, brief, refuse_any, suggest};
use univip_core::geometry::{BoundingBox, Size};
use univip_core::image_file;
use univip_core::metrics::GroundTruth;
use univip_core::recipe::{Config as _, Invalid};
use univip_core::register_dataset;
use univip_core::registry::DatasetPlugin;
use univip_core::tally::Tally;
use univip_core::text_file;
use univip_core::whole_pixels;

register_dataset!("voc", Voc, "PASCAL VOC from a directory, 07+12, with its boxes");

/// The classes, in the order of their indices.
pub const CLASSES: [&str; 20] = [
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
];

/// `[dataset.voc]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The directory that holds those of the years (`VOCdevkit`). Required.
    pub root: PathBuf,
    /// The image sets to learn from.
    pub train: Vec<ImageSet>,
    /// The image sets to measure on.
    pub val: Vec<ImageSet>,
    /// Images and annotations may be symbolic links to files outside of the directory of their year.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub follow_links: bool,
}

/// A list of images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSet {
    /// The directory of the year below `root`.
    pub year: String,
    /// The list below `ImageSets/Main`, without `.txt`.
    pub set: String,
}

impl Default for Config {
    fn default() -> Self {
        let of = |year: &str, set: &str| ImageSet { year: year.into(), set: set.into() };
        Self {
            root: PathBuf::new(),
            train: vec![of("VOC2007", "trainval"), of("VOC2012", "trainval")],
            val: vec![of("VOC2007", "test")],
            follow_links: false,
        }
    }
}

impl univip_core::recipe::Config for Config {
    const PLACES: &'static [&'static str] = &["root"];

    fn check(&self) -> Result<(), Invalid> {
        if self.root.as_os_str().is_empty() {
            let problem = "is not set; give the directory that holds VOC2007 and VOC2012 (VOCdevkit)";
            return Err(Invalid { key: "root", problem: problem.into() });
        }
        for (key, sets) in [("train", &self.train), ("val", &self.val)] {
            if sets.is_empty() {
                return Err(Invalid { key, problem: "names no image set; expected at least one".into() });
            }
        }
        Ok(())
    }
}

/// One split.
#[derive(Debug)]
pub struct Voc {
    images: Vec<Image>,
    classes: Vec<String>,
    skipped: Tally,
}

#[derive(Debug)]
struct Image {
    /// `VOC2007/000005`
    id: String,
    path: PathBuf,
    /// That it must be below.
    year: Arc<Below>,
    size: Size,
    objects: Vec<Object>,
}

/// An annotated object.
#[derive(Debug)]
struct Object {
    /// Left, top, width, height, as the file has them.
    exact: [f64; 4],
    /// Whole pixels inside of the image, if there are any.
    bounding_box: Option<BoundingBox>,
    class: usize,
    difficult: bool,
}

impl Voc {
    /// Opens a split and reads all of its annotations.
    ///
    /// # Errors
    /// When a directory or a list is missing, when images have no annotation or objects an unknown class (with how
    /// many), and when an annotation is broken.
    pub fn open(config: &Config, split: Split) -> Result<Self> {
        config.check().map_err(|invalid| anyhow::anyhow!("{}: {}", invalid.key, invalid.problem))?;
        ensure!(config.root.is_dir(), "voc: root `{}` is not a directory", config.root.display());
        let sets = match split {
            Split::Train => &config.train,
            Split::Val => &config.val,
        };
        let mut listed = Vec::new();
        for set in sets {
            listed.extend(set.images(&config.root, config.follow_links)?);
        }
        let unannotated = listed.iter().filter(|one| !one.annotation.is_file());
        let unannotated = unannotated.map(|one| one.annotation.display().to_string());
        refuse_any("images [has|have] no annotation", listed.len(), unannotated).context("voc")?;
        let read: Vec<(Size, AnnotationFile)> = listed.par_iter().map(Listed::read).collect::<Result<_>>()?;
        let files = listed.iter().zip(&read);
        let unknown = files.flat_map(|(one, (_, file))| file.objects.iter().map(move |object| (one, object)));
        let unknown: Vec<_> = unknown.filter(|(_, object)| class(&object.name).is_none()).collect();
        if let Some((_, first)) = unknown.first() {
            let objects = read.iter().map(|(_, file)| file.objects.len()).sum();
            let hint = suggest(&first.name, &CLASSES);
            let named = unknown.iter();
            let named =
                named.map(|(one, object)| format!("`{}` in {}", object.name, one.annotation.display()));
            refuse_any("objects [is of an unknown class|are of unknown classes]", objects, named)
                .map_err(|error| anyhow!("voc: {error}; {hint}"))?;
        }
        let mut skipped = Tally::default();
        let images =
            listed.into_iter().zip(read).map(|(one, (size, file))| one.image(size, file, &mut skipped));
        Ok(Self { images: images.collect(), classes: CLASSES.map(String::from).to_vec(), skipped })
    }
}

/// An image of a list.
struct Listed {
    id: String,
    year: Arc<Below>,
    image: PathBuf,
    annotation: PathBuf,
}

impl ImageSet {
    fn images(&self, root: &Path, follow_links: bool) -> Result<Vec<Listed>> {
        let directory = root.join(&self.year);
        let list = directory.join("ImageSets/Main").join(format!("{}.txt", self.set));
        let missing =
            || format!("voc: cannot read {}; check `root` and the image sets of the recipe", list.display());
        let text = text_file::read(&list).with_context(missing)?;
        let year = Arc::new(Below::new(&directory, follow_links).context("voc")?);
        let mut images = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if line.contains(char::is_whitespace) {
                bail!("voc: {} has the line `{}`; expected one image a line", list.display(), brief(line));
            }
            let named = || format!("voc: {}", list.display());
            images.push(Listed {
                id: format!("{}/{line}", self.year),
                image: year.path(&format!("JPEGImages/{line}.jpg")).with_context(named)?,
                annotation: year.path(&format!("Annotations/{line}.xml")).with_context(named)?,
                year: year.clone(),
            });
        }
        ensure!(!images.is_empty(), "voc: {} lists no image", list.display());
        Ok(images)
    }
}

impl Listed {
    fn read(&self) -> Result<(Size, AnnotationFile)> {
        let context = || format!("voc: {}", self.annotation.display());
        self.year.check(&self.annotation).with_context(context)?;
        let text = text_file::read(&self.annotation).with_context(context)?;
        let file = AnnotationFile::parse(&text).with_context(context)?;
        let of_image = || -> Result<Size, ImageError> {
            self.year.check(&self.image)?;
            image_file::size(&self.image)
        };
        let size = file.size.map_or_else(of_image, Ok)?;
        Ok((size, file))
    }

    fn image(self, size: Size, file: AnnotationFile, skipped: &mut Tally) -> Image {
        let mut objects = Vec::with_capacity(file.objects.len());
        for annotation::Object { name, bounding_box: exact, difficult } in file.objects {
            // Unknown classes have been refused.
            let Some(class) = class(&name) else { continue };
            let named = || format!("{name} in {}", self.annotation.display());
            let bounding_box = whole_pixels::clip(exact, size, skipped, named);
            objects.push(Object { exact, bounding_box, class, difficult });
        }
        Image { id: self.id, path: self.image, year: self.year, size, objects }
    }
}

fn class(name: &str) -> Option<usize> {
    CLASSES.iter().position(|class| *class == name)
}

impl DatasetPlugin for Voc {
    type Config = Config;

    fn build(config: Config, split: Split) -> Result<Self> {
        Self::open(&config, split)
    }
}

impl Dataset for Voc {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn id(&self, index: usize) -> String {
        self.images[index].id.clone()
    }

    fn image(&self, index: usize) -> Result<RgbImage, ImageError> {
        let Image { path, year, .. } = &self.images[index];
        year.check(path)?;
        image_file::read(path)
    }

    fn size(&self, index: usize) -> Result<Size, ImageError> {
        Ok(self.images[index].size)
    }

    fn annotated_size(&self, index: usize) -> Option<Size> {
        Some(self.images[index].size)
    }

    fn annotations(&self, index: usize) -> Result<Vec<Annotation>> {
        let usable = |object: &Object| {
            let Object { bounding_box, class, .. } = *object;
            Some(Annotation { bounding_box: bounding_box?, class, crowd: false })
        };
        Ok(self.images[index].objects.iter().filter_map(usable).collect())
    }

    fn ground_truth(&self, index: usize, _masks: bool) -> Result<Vec<GroundTruth>> {
        let exact = |object: &Object| GroundTruth {
            ignore: object.difficult,
            ..GroundTruth::of_box(index as u64, object.class, object.exact)
        };
        Ok(self.images[index].objects.iter().map(exact).collect())
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn skipped(&self) -> Tally {
        self.skipped.clone()
    }

    fn file(&self, index: usize) -> Option<PathBuf> {
        Some(self.images[index].path.clone())
    }

    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for Image { id, size, objects, .. } in &self.images {
            hash.update(format!("image {id} {size:?}\n"));
            for Object { exact, class, difficult, .. } in objects {
                hash.update(format!("{class} {exact:?} {difficult}\n"));
            }
        }
        hexadecimal(&hash.finalize()[..8])
    }
}
