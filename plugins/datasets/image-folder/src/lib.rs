//! Datasets `image-folder`: `root/{train,val}/<class>/**`, as ImageNet is usually unpacked and torchvision's
//! `ImageFolder` reads it; and `images`: all images below a directory, without labels.

pub mod images;
mod walk;

use anyhow::{Context, Result, bail, ensure};
use image::RgbImage;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use univip_core::dataset::{Dataset, Split};
use univip_core::digest::hexadecimal;
use univip_core::error::{ImageError, NotApplicable, refuse_any, suggest};
use univip_core::geometry::Size;
use univip_core::image_file;
use univip_core::recipe::{Config as _, Invalid};
use univip_core::register_dataset;
use univip_core::registry::DatasetPlugin;
use univip_core::tally::Tally;
use walk::images_below;

register_dataset!("image-folder", ImageFolder, "labelled images from disk, one directory per class");

/// `[dataset.image-folder]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The directory that holds `train` and `val`. Required.
    pub root: PathBuf,
}

impl univip_core::recipe::Config for Config {
    const PLACES: &'static [&'static str] = &["root"];

    fn check(&self) -> Result<(), Invalid> {
        if self.root.as_os_str().is_empty() {
            let problem = "is not set; give the directory that holds train/<class> and val/<class>";
            return Err(Invalid { key: "root", problem: problem.into() });
        }
        Ok(())
    }
}

/// One split; classes and the images within each are sorted by name.
#[derive(Debug)]
pub struct ImageFolder {
    directory: PathBuf,
    /// Paths below `directory`, and their classes.
    images: Vec<(String, usize)>,
    classes: Vec<String>,
    skipped: Tally,
}

const BESIDE: &str = "file[ lies|s lie] beside the directories of the classes and [is|are] skipped";
const NOT_MEASURED: &str =
    "class[|es] of train [has|have] no image in val, which measures nothing of [it|them]";

impl ImageFolder {
    /// Opens a split. The classes are those of `train`, also for `val`, which may lack some of them.
    ///
    /// # Errors
    /// [`NotApplicable`] when there is no `val`. When a directory is missing or has no class, when a class has no image,
    /// or when `val` has a class that `train` has not.
    pub fn open(config: &Config, split: Split) -> Result<Self> {
        config.check().map_err(|invalid| anyhow::anyhow!("{}: {}", invalid.key, invalid.problem))?;
        let classes = class_names(&config.root.join(Split::Train.name()))?;
        let directory = config.root.join(split.name());
        if split == Split::Val && !directory.exists() {
            let problem = format!("image-folder: there is no val split: {} is missing", directory.display());
            return Err(NotApplicable(problem).into());
        }
        let mut skipped = Tally::default();
        names(&directory, |path| !path.is_dir())?
            .into_iter()
            .for_each(|name| skipped.add(BESIDE, || format!("{}/{name}", split.name())));
        let (mut images, mut empty) = (Vec::new(), Vec::new());
        let present = class_names(&directory)?;
        for name in &present {
            let class = class(&classes, name, &directory)?;
            let found = images_below(&directory.join(name)).context("image-folder")?;
            if found.images.is_empty() {
                let others = found.others.lines();
                empty.push(format!("{name} ({})", others.first().map_or("empty", String::as_str)));
            }
            images.extend(found.images.into_iter().map(|file| (format!("{name}/{file}"), class)));
            skipped.merge(found.others);
        }
        let what = format!(
            "classes [has|have] no image ({}); convert what is there, or remove the directory",
            image_file::endings()
        );
        refuse_any(&what, present.len(), empty.into_iter())
            .with_context(|| format!("image-folder: {}", directory.display()))?;
        let missing = classes.iter().filter(|class| !present.contains(class));
        missing.for_each(|class| skipped.add(NOT_MEASURED, || class.clone()));
        Ok(Self { directory, images, classes, skipped })
    }

    fn path(&self, index: usize) -> PathBuf {
        self.directory.join(&self.images[index].0)
    }
}

impl DatasetPlugin for ImageFolder {
    type Config = Config;

    fn build(config: Config, split: Split) -> Result<Self> {
        Self::open(&config, split)
    }
}

impl Dataset for ImageFolder {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn id(&self, index: usize) -> String {
        self.images[index].0.clone()
    }

    fn image(&self, index: usize) -> Result<RgbImage, ImageError> {
        image_file::read(&self.path(index))
    }

    fn size(&self, index: usize) -> Result<Size, ImageError> {
        image_file::size(&self.path(index))
    }

    fn label(&self, index: usize) -> Option<usize> {
        Some(self.images[index].1)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn file(&self, index: usize) -> Option<PathBuf> {
        Some(self.path(index))
    }

    fn skipped(&self) -> Tally {
        self.skipped.clone()
    }

    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (path, class) in &self.images {
            hash.update(format!("{class} {path}\n"));
        }
        hexadecimal(&hash.finalize()[..8])
    }
}

/// The place of a class among those of train.
fn class(classes: &[String], name: &String, directory: &Path) -> Result<usize> {
    if let Ok(class) = classes.binary_search(name) {
        return Ok(class);
    }
    let known: Vec<&str> = classes.iter().map(String::as_str).collect();
    let place = directory.join(name);
    bail!("image-folder: {} is a class that train has not; {}", place.display(), suggest(name, &known))
}

/// The names of the directories in `directory`, sorted.
fn class_names(directory: &Path) -> Result<Vec<String>> {
    let classes = names(directory, Path::is_dir)?;
    ensure!(
        !classes.is_empty(),
        "image-folder: {} has no class: expected one directory of images for each",
        directory.display()
    );
    Ok(classes)
}

/// The sorted names of what `keep` keeps in a directory. Hidden files are never kept.
fn names(directory: &Path, keep: impl Fn(&Path) -> bool) -> Result<Vec<String>> {
    let context = || {
        format!(
            "image-folder: cannot list {}; check `root` (images without labels are the dataset `images`)",
            directory.display()
        )
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(context)? {
        let entry = entry.with_context(context)?;
        let name = entry.file_name().into_string().map_err(|name| {
            anyhow::anyhow!(
                "image-folder: {} holds {name:?}, which is not UTF-8: rename it",
                directory.display()
            )
        })?;
        if !name.starts_with('.') && keep(&entry.path()) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
