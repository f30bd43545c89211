//! The boxes that a run sees: stored or computed, and filtered.

use super::StoreKey;
use super::store::{BuildOptions, ProposalStore};
use super::{BoxLimits, ProposalSource};
use crate::dataset::Dataset;
use crate::geometry::BoundingBox;
use anyhow::{Context, Result};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Filtered boxes that are kept in memory, at most: 128 MiB.
const KEPT: usize = (128 << 20) / size_of::<BoundingBox>();

/// The filtered boxes of a dataset's images, by index.
///
/// Boxes of a source that is [`ProposalSource::stored`] are read from disk, one image at a time; those of other
/// sources are computed each time. What is left of a store's boxes is kept in memory, since reading and filtering
/// them costs as much as drawing the views of a small image.
pub struct Proposals {
    source: Box<dyn ProposalSource>,
    limits: BoxLimits,
    store: Option<Stored>,
}

/// A store, and what passed the limits of the images that were asked for.
struct Stored {
    store: ProposalStore,
    filtered: Vec<OnceLock<Box<[BoundingBox]>>>,
    kept: AtomicUsize,
}

impl Proposals {
    /// The boxes of `source` for `images`, kept below `root` where the source asks for it.
    pub fn open(
        source: Box<dyn ProposalSource>,
        limits: BoxLimits,
        root: &Path,
        key: &StoreKey,
        images: Arc<dyn Dataset>,
    ) -> Result<Self> {
        let stored = || -> Result<Stored> {
            let store = ProposalStore::open(root, key, images)?;
            let filtered = std::iter::repeat_with(OnceLock::new).take(store.len()).collect();
            Ok(Stored { store, filtered, kept: AtomicUsize::new(0) })
        };
        let store = if source.stored() { Some(stored()?) } else { None };
        Ok(Self { source, limits, store })
    }

    /// [`ProposalSource::annotated`].
    pub fn annotated(&self) -> bool {
        self.source.annotated()
    }

    /// The store, if the source's boxes are stored.
    pub fn store(&self) -> Option<&ProposalStore> {
        self.store.as_ref().map(|stored| &stored.store)
    }

    /// Computes what is not on disk yet of the first `images` images, as [`ProposalStore::build`] says; nothing
    /// where nothing is stored. `dataset` is the whole one, whatever part of it a run looks at.
    pub fn build(
        &self,
        dataset: &dyn Dataset,
        images: usize,
        options: BuildOptions,
        progress: &mut dyn FnMut(u64, u64) -> Result<()>,
    ) -> Result<Vec<String>> {
        match self.store() {
            Some(store) => store.build(dataset, &*self.source, images, options, progress),
            None => Ok(Vec::new()),
        }
    }

    /// All boxes of image `index`, best first.
    ///
    /// # Errors
    /// When the boxes are not on disk ([`Proposals::build`] was not called) or cannot be computed.
    pub fn unfiltered(&self, dataset: &dyn Dataset, index: usize) -> Result<Vec<BoundingBox>> {
        match self.store() {
            Some(store) => store.boxes(index),
            None => Ok(self.source.propose(dataset, index)?),
        }
        .with_context(|| format!("proposals of image {}", dataset.id(index)))
    }

    /// The boxes of image `index` within the limits, best first.
    ///
    /// # Errors
    /// As [`Proposals::unfiltered`].
    pub fn boxes(&self, dataset: &dyn Dataset, index: usize) -> Result<Vec<BoundingBox>> {
        let place = self.store.as_ref().and_then(|stored| Some((stored, stored.filtered.get(index)?)));
        if let Some(kept) = place.and_then(|(_, place)| place.get()) {
            return Ok(kept.to_vec());
        }
        let filtered = self.limits.filter(&self.unfiltered(dataset, index)?);
        if let Some((stored, place)) = place
            && stored.kept.fetch_add(filtered.len(), Ordering::Relaxed) < KEPT
        {
            // Another thread may have been first: with the same boxes.
            let _ = place.set(filtered.clone().into_boxed_slice());
        }
        Ok(filtered)
    }
}
