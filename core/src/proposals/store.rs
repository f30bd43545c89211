//! Boxes on disk: computed once, unfiltered, and read by every run that needs the same ones.

use super::{ProposalSource, shard};
use crate::dataset::Dataset;
use crate::error::ImageError;
use crate::files::write_atomic;
use crate::geometry::BoundingBox;
use crate::recipe::BrokenImage;
use anyhow::{Context, Result, anyhow, ensure};
use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};

/// What stored boxes follow from. Another value of any field is another directory.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoreKey {
    /// The name of the proposal source.
    pub source: String,
    /// The version of its crate.
    pub version: String,
    /// Its resolved table of the recipe.
    pub parameters: serde_json::Value,
    /// [`Dataset::digest`].
    pub dataset: String,
    /// The number of images.
    pub images: usize,
}

/// A directory of files of boxes, 256 images each, for one [`StoreKey`].
///
/// A file is written to a temporary name and renamed when it is on disk: a build that is killed goes on
/// with the first file that is missing, and several processes may build at once.
#[derive(Debug)]
pub struct ProposalStore {
    directory: PathBuf,
    key: [u8; 32],
    images: usize,
}

/// How [`ProposalStore::build`] goes about it.
#[derive(Debug, Clone, Copy)]
pub struct BuildOptions {
    /// Threads; 0 is one a core.
    pub threads: usize,
    /// What to do with an image that cannot be read.
    pub broken: BrokenImage,
}

impl ProposalStore {
    /// The store of `key` below `root`, made when it is new. Its `key.json` tells a person what is in it.
    pub fn open(root: &Path, key: &StoreKey) -> Result<Self> {
        let text = serde_json::to_string_pretty(key)?;
        let digest: [u8; 32] = Sha256::digest(&text).into();
        let name: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let directory = root.join(format!("{}-{name}", key.source));
        fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
        let described = directory.join("key.json");
        if !described.exists() {
            write_atomic(&described, text.as_bytes())?;
        }
        Ok(Self { directory, key: digest, images: key.images })
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.images
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.images == 0
    }

    /// Images a file, but for the last one.
    pub const SHARD: usize = 256;

    /// The number of files of a whole store.
    pub fn shards(&self) -> usize {
        self.images.div_ceil(Self::SHARD)
    }

    /// Computes the files that are missing; a whole store is left as it is. The boxes do not depend on
    /// the number of threads.
    ///
    /// `progress` is called on this thread with the images done and all images, those found on disk
    /// included; its error stops the build, and what is on disk stays.
    ///
    /// Returns the images that could not be read, with the reason, where `options` says to skip them:
    /// they are stored without a box. Remove the directory to have them read again.
    pub fn build(
        &self,
        dataset: &dyn Dataset,
        source: &dyn ProposalSource,
        options: BuildOptions,
        progress: &mut dyn FnMut(u64, u64) -> Result<()>,
    ) -> Result<Vec<String>> {
        let all = dataset.len();
        ensure!(all == self.images, "the store is for {} images, the dataset has {all}", self.images);
        let missing: Vec<usize> = (0..self.shards()).filter(|shard| !self.path(*shard).exists()).collect();
        let left: usize = missing.iter().map(|shard| self.range(*shard).len()).sum();
        let mut done = (self.images - left) as u64;
        progress(done, self.images as u64)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build()?;
        let stop = AtomicBool::new(false);
        let (ticks, ticked) = mpsc::channel();
        let build = Build { store: self, dataset, source, broken: options.broken, stop: &stop };
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| pool.install(|| build.shards(&missing, ticks)));
            let mut told = Ok(());
            // Ends when the workers drop their senders.
            for () in ticked {
                done += 1;
                if told.is_ok() {
                    told = progress(done, self.images as u64);
                    stop.store(told.is_err(), Ordering::Relaxed);
                }
            }
            let built = worker.join().map_err(|_| anyhow!("the proposal source panicked (see above)"));
            told.and(built?)
        })
    }

    /// The boxes of the images [`Self::range`] of a shard.
    ///
    /// # Errors
    /// Naming the file, when it is missing, truncated, damaged or another store's.
    pub fn read(&self, shard: usize) -> Result<Vec<Vec<BoundingBox>>> {
        let path = self.path(shard);
        let remedy = || format!("proposals {}: remove that file and run again", path.display());
        let bytes = fs::read(&path).with_context(remedy)?;
        shard::decode(&bytes, &self.key, shard as u32, self.range(shard).len()).with_context(remedy)
    }

    /// The images of a shard.
    pub fn range(&self, shard: usize) -> Range<usize> {
        shard * Self::SHARD..((shard + 1) * Self::SHARD).min(self.images)
    }

    fn path(&self, shard: usize) -> PathBuf {
        self.directory.join(format!("{shard:06}.boxes"))
    }
}

/// A build under way.
struct Build<'a> {
    store: &'a ProposalStore,
    dataset: &'a dyn Dataset,
    source: &'a dyn ProposalSource,
    broken: BrokenImage,
    stop: &'a AtomicBool,
}

impl Build<'_> {
    fn shards(&self, missing: &[usize], ticks: Sender<()>) -> Result<Vec<String>> {
        let mut skipped = Vec::new();
        for &shard in missing {
            let images: Vec<Image> = self
                .store
                .range(shard)
                .into_par_iter()
                .map_with(ticks.clone(), |ticks, index| {
                    let image = self.image(index)?;
                    // Nobody listens any more only when the build has failed.
                    let _ = ticks.send(());
                    Ok(image)
                })
                .collect::<Result<_>>()?;
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let (boxes, broken): (Vec<_>, Vec<_>) =
                images.into_iter().map(|image| (image.boxes, image.broken)).unzip();
            skipped.extend(broken.into_iter().flatten());
            write_atomic(&self.store.path(shard), &shard::encode(&self.store.key, shard as u32, &boxes))?;
        }
        Ok(skipped)
    }

    fn image(&self, index: usize) -> Result<Image> {
        if self.stop.load(Ordering::Relaxed) {
            return Ok(Image::default());
        }
        match self.source.propose(self.dataset, index) {
            Ok(boxes) => Ok(Image { boxes, broken: None }),
            Err(error) if self.broken == BrokenImage::Skip && error.is::<ImageError>() => {
                Ok(Image { boxes: Vec::new(), broken: Some(format!("{error:#}")) })
            }
            Err(error) => {
                self.stop.store(true, Ordering::Relaxed);
                Err(error.context(format!("proposals of image {}", self.dataset.id(index))))
            }
        }
    }
}

/// What a build found for an image.
#[derive(Default)]
struct Image {
    boxes: Vec<BoundingBox>,
    broken: Option<String>,
}
