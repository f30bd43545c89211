//! Dataset `images`: every image below a directory, without labels.

use crate::walk::images_below;
use anyhow::{Context, Result, ensure};
use image::RgbImage;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use univip_core::dataset::{Dataset, Split};
use univip_core::digest::hexadecimal;
use univip_core::error::{ImageError, NotApplicable};
use univip_core::geometry::Size;
use univip_core::image_file;
use univip_core::recipe::{Config as _, Invalid};
use univip_core::registry::DatasetPlugin;
use univip_core::tally::Tally;

univip_core::register_dataset!("images", Images, "unlabelled images from disk, all below one directory");

/// `[dataset.images]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The directory that the images are in or below. Required.
    pub root: PathBuf,
}

impl univip_core::recipe::Config for Config {
    const PLACES: &'static [&'static str] = &["root"];

    fn check(&self) -> Result<(), Invalid> {
        if self.root.as_os_str().is_empty() {
            let problem = "is not set; give the directory that the images are in or below";
            return Err(Invalid { key: "root", problem: problem.into() });
        }
        Ok(())
    }
}

/// All images below a directory, to learn from: the train split. There is no other, and no class.
#[derive(Debug)]
pub struct Images {
    root: PathBuf,
    /// Paths below `root`.
    images: Vec<String>,
    others: Tally,
}

impl Images {
    /// Finds the images, in directories of any depth.
    ///
    /// # Errors
    /// [`NotApplicable`] of the val split; when the directory cannot be listed or holds no image.
    pub fn open(config: &Config, split: Split) -> Result<Self> {
        config.check().map_err(|invalid| anyhow::anyhow!("{}: {}", invalid.key, invalid.problem))?;
        let root = &config.root;
        if split == Split::Val {
            let problem = format!("images: {} has no val split and no labels, only images", root.display());
            return Err(NotApplicable(problem).into());
        }
        let found = images_below(root).context("images: check `root`")?;
        ensure!(
            !found.images.is_empty(),
            "images: {} holds no image ({})",
            root.display(),
            image_file::endings()
        );
        Ok(Self { root: root.clone(), images: found.images, others: found.others })
    }

    fn path(&self, index: usize) -> PathBuf {
        self.root.join(&self.images[index])
    }
}

impl DatasetPlugin for Images {
    type Config = Config;

    fn build(config: Config, split: Split) -> Result<Self> {
        Self::open(&config, split)
    }
}

impl Dataset for Images {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn id(&self, index: usize) -> String {
        self.images[index].clone()
    }

    fn image(&self, index: usize) -> Result<RgbImage, ImageError> {
        image_file::read(&self.path(index))
    }

    fn size(&self, index: usize) -> Result<Size, ImageError> {
        image_file::size(&self.path(index))
    }

    fn file(&self, index: usize) -> Option<PathBuf> {
        Some(self.path(index))
    }

    fn skipped(&self) -> Tally {
        self.others.clone()
    }

    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        self.images.iter().for_each(|path| hash.update(format!("{path}\n")));
        hexadecimal(&hash.finalize()[..8])
    }
}
