//! A dataset whose image files are known, and are compared with what is known when they are read.

use super::Content;
use super::cache::Cache;
use crate::data::content::Look;
use crate::data::stamp::Stamp;
use crate::dataset::{Annotation, Dataset};
use crate::error::ImageError;
use crate::geometry::Size;
use crate::metrics::GroundTruth;
use crate::metrics::rle::Rle;
use crate::tally::Tally;
use anyhow::{Result, bail};
use image::RgbImage;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// A dataset whose image files are known, and are compared with what is known when they are read.
///
/// [`Checked::look`] makes images known: it reads the files that are not in the cache, or that have another size or time
/// than there. An image that is not known yet is read as it is. Datasets without files are passed through.
pub struct Checked {
    dataset: Box<dyn Dataset>,
    /// The cache's.
    directory: PathBuf,
    folder: OnceLock<Option<PathBuf>>,
    /// Of each image, once it is known.
    looks: RwLock<Vec<Option<Look>>>,
}

/// Files between two reports of progress.
const CHUNK: usize = 1024;

/// Reading all files of a large dataset takes minutes: a kill loses no more than this.
const SAVE_EVERY: Duration = Duration::from_secs(30);

impl Checked {
    /// Nothing is known yet; what will be is cached in `directory`.
    pub fn new(dataset: Box<dyn Dataset>, directory: &Path) -> Self {
        let looks = RwLock::new(vec![None; dataset.len()]);
        Self { dataset, directory: directory.into(), folder: OnceLock::new(), looks }
    }

    /// Makes images known, in parallel. `progress` is called on this thread with the images done and all of them; its
    /// error ends it, and what is known stays.
    ///
    /// # Errors
    /// Only of `progress`. That a file cannot be read is none: its content says so.
    pub fn look(&self, images: &[usize], progress: &mut dyn FnMut(u64, u64) -> Result<()>) -> Result<()> {
        let unknown: Vec<usize> =
            images.iter().copied().filter(|index| self.known(*index).is_none()).collect();
        let Some(folder) = self.folder().filter(|_| !unknown.is_empty()) else { return Ok(()) };
        let root = folder.canonicalize().unwrap_or_else(|_| folder.into());
        let mut cache = Cache::open(&self.directory, root);
        let mut saved = Instant::now();
        for (number, chunk) in unknown.chunks(CHUNK).enumerate() {
            let looks: Vec<Found> = chunk.par_iter().map(|index| self.find(*index, folder, &cache)).collect();
            for (index, found) in chunk.iter().zip(looks) {
                self.know(*index, found.look);
                if let Some(name) = found.new {
                    cache.put(&name, found.look);
                }
            }
            let done = (number * CHUNK + chunk.len()) as u64;
            let told = progress(done, unknown.len() as u64);
            if told.is_err() || saved.elapsed() > SAVE_EVERY || done == unknown.len() as u64 {
                // If it cannot be written, the next command reads the files again and loses nothing else.
                let _ = cache.save();
                saved = Instant::now();
            }
            told?;
        }
        Ok(())
    }

    /// Refuses known images that have another size than their annotations were made for.
    ///
    /// # Errors
    /// Naming the first such image and both sizes.
    pub fn check_sizes(&self, images: &[usize]) -> Result<()> {
        for &index in images {
            let found = self.known(index).and_then(|look| look.size);
            let (Some(annotated), Some(found)) = (self.dataset.annotated_size(index), found) else {
                continue;
            };
            if annotated == found || self.dataset.ground_truth(index, false)?.is_empty() {
                continue;
            }
            let file = self.file(index).unwrap_or_default();
            bail!(
                "image {} ({}) is {} x {} pixels, but its boxes were annotated at {} x {}: use the images that were annotated, \
                 or scale the annotations with them",
                self.id(index),
                file.display(),
                found.width,
                found.height,
                annotated.width,
                annotated.height
            );
        }
        Ok(())
    }

    /// The cached facts of an image file, or else those of a new look at it.
    fn find(&self, index: usize, folder: &Path, cache: &Cache) -> Found {
        let Some(file) = self.file(index) else { return Found { look: Look::NONE, new: None } };
        let name = file.strip_prefix(folder).ok().and_then(Path::to_str);
        let cached = name.and_then(|name| cache.get(name, Stamp::of(&file)?));
        match cached {
            Some(look) => Found { look, new: None },
            None => Found { look: Look::at(&file), new: name.map(String::from) },
        }
    }

    /// The deepest directory that all files have in common; none where there is no file.
    fn folder(&self) -> Option<&Path> {
        let common = || {
            let mut files = (0..self.len()).filter_map(|index| self.file(index));
            let mut folder = files.next()?.parent()?.to_path_buf();
            for file in files {
                while !file.starts_with(&folder) {
                    folder.pop();
                }
            }
            Some(folder)
        };
        self.folder.get_or_init(common).as_deref()
    }

    fn known(&self, index: usize) -> Option<Look> {
        self.looks.read().unwrap_or_else(PoisonError::into_inner).get(index).copied().flatten()
    }

    fn know(&self, index: usize, look: Look) {
        let mut looks = self.looks.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = looks.get_mut(index) {
            *place = Some(look);
        }
    }

    /// Refuses an image whose file is not what it was when it became known.
    fn unchanged(&self, index: usize) -> Result<(), ImageError> {
        let (Some(known), Some(path)) = (self.known(index), self.file(index)) else { return Ok(()) };
        if Stamp::of(&path) == known.stamp {
            return Ok(());
        }
        let now = Look::at(&path);
        if now.content != known.content {
            return Err(ImageError::Changed { path });
        }
        // Touched, or copied over itself.
        self.know(index, now);
        Ok(())
    }
}

/// The facts of a file, and its name in the cache if the cache does not have them yet.
struct Found {
    look: Look,
    new: Option<String>,
}

impl Dataset for Checked {
    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn id(&self, index: usize) -> String {
        self.dataset.id(index)
    }

    /// [`ImageError::Changed`] where the file has changed since the image became known.
    fn image(&self, index: usize) -> Result<RgbImage, ImageError> {
        let read = self.dataset.image(index);
        // Afterwards: a change before or during the reading is seen, whatever came of it.
        self.unchanged(index)?;
        read
    }

    fn size(&self, index: usize) -> Result<Size, ImageError> {
        match self.known(index).and_then(|look| look.size) {
            Some(size) => Ok(size),
            None => self.dataset.size(index),
        }
    }

    fn annotations(&self, index: usize) -> Result<Vec<Annotation>> {
        self.dataset.annotations(index)
    }

    fn annotated_part(&self) -> Result<Option<Box<dyn Dataset>>> {
        self.dataset.annotated_part()
    }

    fn masks(&self, index: usize) -> Result<Vec<Option<Rle>>> {
        self.dataset.masks(index)
    }

    fn ground_truth(&self, index: usize, masks: bool) -> Result<Vec<GroundTruth>> {
        self.dataset.ground_truth(index, masks)
    }

    fn annotated_size(&self, index: usize) -> Option<Size> {
        self.dataset.annotated_size(index)
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.dataset.label(index)
    }

    fn classes(&self) -> &[String] {
        self.dataset.classes()
    }

    fn skipped(&self) -> Tally {
        self.dataset.skipped()
    }

    fn file(&self, index: usize) -> Option<PathBuf> {
        self.dataset.file(index)
    }

    fn content(&self, index: usize) -> Option<Content> {
        let file = self.file(index)?;
        if let Some(look) = self.known(index) {
            return Some(look.content);
        }
        let look = Look::at(&file);
        self.know(index, look);
        Some(look.content)
    }

    fn digest(&self) -> String {
        self.dataset.digest()
    }
}
