//! Dataset `image-folder`: `root/{train,val}/<class>/*.{jpg,jpeg,png}`, as ImageNet is usually unpacked.

use anyhow::{Context, Result, ensure};
use image::RgbImage;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use univip_core::dataset::{Dataset, Split};
use univip_core::digest::hexadecimal;
use univip_core::error::suggest;
use univip_core::geometry::Size;
use univip_core::image_file;
use univip_core::recipe::{Config as _, Invalid};
use univip_core::register_dataset;
use univip_core::registry::DatasetPlugin;

register_dataset!("image-folder", ImageFolder, "labelled images from disk, one directory a class");

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
}

impl ImageFolder {
    /// Opens a split. The classes are those of `train`, also for `val`, which may lack some of them.
    ///
    /// # Errors
    /// When a directory is missing or has no class or no image, or when `val` has a class that `train` has not.
    pub fn open(config: &Config, split: Split) -> Result<Self> {
        config.check().map_err(|invalid| anyhow::anyhow!("{}: {}", invalid.key, invalid.problem))?;
        let classes = class_names(&config.root.join(Split::Train.name()))?;
        let directory = config.root.join(split.name());
        let known: Vec<&str> = classes.iter().map(String::as_str).collect();
        let mut images = Vec::new();
        for name in class_names(&directory)? {
            let class = classes.binary_search(&name).ok();
            let class = class.with_context(|| {
                let place = directory.join(&name);
                format!(
                    "image-folder: {} is a class that train has not; {}",
                    place.display(),
                    suggest(&name, &known)
                )
            })?;
            for file in names(&directory.join(&name), is_image)? {
                images.push((format!("{name}/{file}"), class));
            }
        }
        ensure!(
            !images.is_empty(),
            "image-folder: no .jpg, .jpeg or .png file in the classes of {}",
            directory.display()
        );
        Ok(Self { directory, images, classes })
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

    fn image(&self, index: usize) -> Result<RgbImage> {
        image_file::read(&self.path(index))
    }

    fn size(&self, index: usize) -> Result<Size> {
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

    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (path, class) in &self.images {
            hash.update(format!("{class} {path}\n"));
        }
        hexadecimal(&hash.finalize()[..8])
    }
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
    let context = || format!("image-folder: cannot list {}; check `root`", directory.display());
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

fn is_image(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    matches!(extension.as_deref(), Some("jpg" | "jpeg" | "png"))
}
