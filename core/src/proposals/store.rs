//! Boxes on disk: computed once, unfiltered, and read by every run that needs the same ones.

use super::shard::{self, Identity, Index};
use super::without_boxes;
use super::{ProposalSource, StoreKey};
use crate::data::BrokenImage;
use crate::dataset::Dataset;
use crate::digest::hexadecimal;
use crate::error::ImageError;
use crate::files::{remove_abandoned, write_atomic};
use crate::geometry::BoundingBox;
use crate::identity::Content;
use crate::pool;
use anyhow::{Context, Result, anyhow, bail, ensure};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, OnceLock};
use std::thread;

/// A directory of files of boxes, 64 images each, for one [`StoreKey`].
///
/// The name of a file has a digest of what its images' files hold: boxes are found by the images that they were made for, and
/// another image, whatever its name, has none until they are made.
///
/// A file is written to a temporary name and renamed when it is on disk: a build that is killed goes on
/// with the first file that is missing, and several processes may build and read at once.
pub struct ProposalStore {
    directory: PathBuf,
    identity: Identity,
    images: Arc<dyn Dataset>,
    shards: Vec<Shard>,
}

/// The index of a file of boxes, once it has been asked for.
#[derive(Default)]
struct Shard {
    path: OnceLock<PathBuf>,
    index: OnceLock<Index>,
}

/// Options of [`ProposalStore::build`].
#[derive(Debug, Clone, Copy)]
pub struct BuildOptions {
    /// Threads; 0 is one a core.
    pub threads: usize,
    /// The handling of an image that cannot be read.
    pub broken: BrokenImage,
}

impl ProposalStore {
    /// The store of `key` below `root`, for `images`, made when it is new. Its `key.json` tells a person what is in it.
    /// Unfinished files of killed builds are removed.
    pub fn open(root: &Path, key: &StoreKey, images: Arc<dyn Dataset>) -> Result<Self> {
        let text = serde_json::to_string_pretty(key)?;
        let sha256 = hexadecimal(&Sha256::digest(&text));
        let directory = root.join(format!("{}-{}", key.source, &sha256[..16]));
        fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
        remove_abandoned(&directory)?;
        let described = directory.join("key.json");
        if !described.exists() {
            write_atomic(&described, text.as_bytes())?;
        }
        let shards = key.images.div_ceil(Self::SHARD);
        let shards = std::iter::repeat_with(Shard::default).take(shards).collect();
        Ok(Self { directory, identity: Identity { key: key.clone(), sha256 }, images, shards })
    }

    /// The directory of its files.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.identity.key.images
    }

    /// True if there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Images a file, but for the last one: what a killed build loses at most.
    pub const SHARD: usize = 64;

    /// The number of files of a whole store.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// The number of images whose boxes are on disk.
    pub fn stored(&self) -> usize {
        let there = (0..self.shards()).filter(|shard| self.path(*shard).exists());
        there.map(|shard| self.range(shard).len()).sum()
    }

    /// Computes the files that are missing for the first `images` images; those that are there are left as they
    /// are. Each file is that of a whole build, so that a run on few images and one on all share it. The bytes do
    /// not depend on the number of threads.
    ///
    /// `progress` is called on this thread with the images done and all of those files' images, what was found on
    /// disk included; its error stops the build, and what is on disk stays.
    ///
    /// Returns the images that could not be read, with the reason, where `options` says to skip them: they are stored
    /// without a box. So are those of an earlier build, with the file to remove to have them read again.
    pub fn build(
        &self,
        dataset: &dyn Dataset,
        source: &dyn ProposalSource,
        images: usize,
        options: BuildOptions,
        progress: &mut dyn FnMut(u64, u64) -> Result<()>,
    ) -> Result<Vec<String>> {
        let all = dataset.len();
        ensure!(all == self.len(), "the store is for {} images, the dataset has {all}", self.len());
        let shards = images.div_ceil(Self::SHARD).min(self.shards());
        let (there, missing): (Vec<usize>, Vec<usize>) =
            (0..shards).partition(|shard| self.path(*shard).exists());
        let mut without_boxes = Vec::new();
        for &shard in &there {
            without_boxes.extend(without_boxes::read(self.path(shard))?);
        }
        if let (BrokenImage::Fail, Some(first)) = (options.broken, without_boxes.first()) {
            bail!("{first}");
        }
        let count = |shards: &mut dyn Iterator<Item = usize>| -> u64 {
            shards.map(|shard| self.range(shard).len() as u64).sum()
        };
        let all = count(&mut (0..shards));
        let mut done = count(&mut there.iter().copied());
        progress(done, all)?;
        let pool = pool::of(options.threads)
            .context("starting the threads that make proposals (--jobs says how many)")?;
        let stop = AtomicBool::new(false);
        let (ticks, ticked) = mpsc::channel();
        let build = Build { store: self, dataset, source, broken: options.broken, stop: &stop };
        thread::scope(|scope| {
            let worker = thread::Builder::new().name("proposals".into());
            let worker = worker.spawn_scoped(scope, || pool.install(|| build.shards(&missing, ticks)));
            let worker = worker.context("starting a thread that makes proposals")?;
            let mut told = Ok(());
            // Ends when the workers drop their senders.
            for () in ticked {
                done += 1;
                if told.is_ok() {
                    told = progress(done, all);
                    if told.is_err() {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
            }
            let built = worker.join().map_err(|_| anyhow!("the proposal source panicked (see above)"));
            without_boxes.extend(told.and(built?)?);
            Ok(without_boxes)
        })
    }

    /// Keeps the boxes of all images of a shard that came from elsewhere; `true` where they are new.
    ///
    /// # Errors
    /// When the shard is there with other boxes: nothing is ever overwritten.
    pub fn keep(&self, shard: usize, images: &[(String, Vec<BoundingBox>)]) -> Result<bool> {
        let range = self.range(shard);
        ensure!(images.len() == range.len(), "{} images for the {} of a shard", images.len(), range.len());
        let bytes = self.encode(shard, images)?;
        let path = self.path(shard);
        if path.exists() {
            let same = fs::read(path).with_context(|| format!("reading {}", path.display()))? == bytes;
            ensure!(same, "proposals {}: it is there already, with other boxes", path.display());
            return Ok(false);
        }
        write_atomic(path, &bytes)?;
        Ok(true)
    }

    /// The boxes of an image, unfiltered and in order. Reads only them: the file they are in is opened and its
    /// table of contents remembered.
    ///
    /// # Errors
    /// Naming the file and the shard, when it is missing, truncated, damaged or another store's.
    pub fn boxes(&self, image: usize) -> Result<Vec<BoundingBox>> {
        ensure!(
            image < self.len(),
            "there are proposals for {} images, and none for image {image}",
            self.len()
        );
        let (shard, place) = (image / Self::SHARD, image % Self::SHARD);
        let path = self.path(shard);
        let remedy =
            || format!("proposals {} (shard {shard}): remove that file and build again", path.display());
        let index = match self.shards[shard].index.get() {
            Some(index) => index,
            None => {
                let images = self.range(shard).len();
                let index = Index::open(path, &self.identity.sha256, shard, images).with_context(remedy)?;
                // Another thread may have read it meanwhile: it is the same.
                self.shards[shard].index.get_or_init(|| index)
            }
        };
        index.read(path, place).with_context(remedy)
    }

    /// The images of a shard.
    pub fn range(&self, shard: usize) -> Range<usize> {
        shard * Self::SHARD..((shard + 1) * Self::SHARD).min(self.len())
    }

    /// The path of the boxes of a shard's images as these are now.
    fn path(&self, shard: usize) -> &Path {
        self.shards[shard].path.get_or_init(|| {
            let contents = self.contents(shard);
            let digest = hexadecimal(&Sha256::digest(contents.join("\n"))[..8]);
            // Images without a file are what the key says.
            let name =
                if contents.is_empty() { format!("{shard:06}") } else { format!("{shard:06}-{digest}") };
            self.directory.join(format!("{name}.npz"))
        })
    }

    /// The contents of the files of a shard's images; empty if they have none.
    fn contents(&self, shard: usize) -> Vec<String> {
        let contents: Vec<_> = self.range(shard).map(|image| self.images.content(image)).collect();
        let files = contents.iter().any(Option::is_some);
        let text = |content: Option<Content>| content.map_or_else(String::new, |content| content.to_string());
        if files { contents.into_iter().map(text).collect() } else { Vec::new() }
    }

    fn encode(&self, shard: usize, images: &[(String, Vec<BoundingBox>)]) -> Result<Vec<u8>> {
        shard::encode(&self.identity, shard, &self.contents(shard), images)
    }

    /// The first image of a shard that boxes are stored of, but of another content; none where there are no other boxes.
    fn changed(&self, shard: usize) -> Option<String> {
        let start = format!("{shard:06}-");
        let others = fs::read_dir(&self.directory).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        let mut others: Vec<PathBuf> = others
            .filter(|path| path.extension().is_some_and(|end| end == "npz") && path != self.path(shard))
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&start)))
            .collect();
        others.sort();
        let then = shard::contents(others.first()?).ok()?;
        let differs = |(then, now): (&String, &String)| then != now;
        let place = then.iter().zip(&self.contents(shard)).position(differs)?;
        Some(self.images.id(self.range(shard).start + place))
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
            let range = self.store.range(shard);
            if self.store.path(shard).exists() {
                // Another process has built it meanwhile.
                skipped.extend(without_boxes::read(self.store.path(shard))?);
                for _ in range {
                    let _ = ticks.send(());
                }
                continue;
            }
            let images: Vec<Image> = range
                .clone()
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
            let mut named = Vec::with_capacity(images.len());
            let mut broken = Vec::new();
            for (index, image) in range.zip(images) {
                broken.extend(image.broken);
                named.push((self.dataset.id(index), image.boxes));
            }
            without_boxes::write(self.store.path(shard), &broken)?;
            skipped.extend(broken);
            let bytes = self.store.encode(shard, &named)?;
            write_atomic(self.store.path(shard), &bytes)?;
        }
        Ok(skipped)
    }

    fn image(&self, index: usize) -> Result<Image> {
        if self.stop.load(Ordering::Relaxed) {
            return Ok(Image::default());
        }
        match self.source.propose(self.dataset, index) {
            Ok(boxes) => Ok(Image { boxes, broken: None }),
            Err(error @ ImageError::Broken { .. }) if self.broken == BrokenImage::Skip => {
                Ok(Image { boxes: Vec::new(), broken: Some(error.to_string()) })
            }
            Err(error) => {
                self.stop.store(true, Ordering::Relaxed);
                let changed = self.store.changed(index / ProposalStore::SHARD);
                let error = anyhow::Error::from(error);
                let error = match changed {
                    Some(image) => {
                        error.context(format!("image {image} is not the one that boxes are stored of"))
                    }
                    None => error,
                };
                Err(error.context(format!("proposals of image {}", self.dataset.id(index))))
            }
        }
    }
}

/// The outcome of a build for an image.
#[derive(Default)]
struct Image {
    boxes: Vec<BoundingBox>,
    broken: Option<String>,
}
