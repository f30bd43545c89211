//! The boxes that a run sees: stored or computed, and filtered.

use super::store::{BuildOptions, ProposalStore, StoreKey};
use super::{BoxLimits, ProposalSource};
use crate::dataset::Dataset;
use crate::geometry::BoundingBox;
use anyhow::{Context, Result};
use std::path::Path;

/// The filtered boxes of a dataset's images, by index.
///
/// Boxes of a source that is [`ProposalSource::stored`] are read from disk, one image at a time; those of other
/// sources are computed each time.
pub struct Proposals {
    source: Box<dyn ProposalSource>,
    limits: BoxLimits,
    store: Option<ProposalStore>,
}

impl Proposals {
    /// The boxes of `source`, kept below `root` where the source asks for it.
    pub fn open(
        source: Box<dyn ProposalSource>,
        limits: BoxLimits,
        root: &Path,
        key: &StoreKey,
    ) -> Result<Self> {
        let store = if source.stored() { Some(ProposalStore::open(root, key)?) } else { None };
        Ok(Self { source, limits, store })
    }

    /// Where boxes are kept, if the source's are.
    pub fn store(&self) -> Option<&ProposalStore> {
        self.store.as_ref()
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
        match &self.store {
            Some(store) => store.build(dataset, &*self.source, images, options, progress),
            None => Ok(Vec::new()),
        }
    }

    /// All boxes of image `index`, best first.
    ///
    /// # Errors
    /// When the boxes are not on disk ([`Proposals::build`] was not called) or cannot be computed.
    pub fn unfiltered(&self, dataset: &dyn Dataset, index: usize) -> Result<Vec<BoundingBox>> {
        match &self.store {
            Some(store) => store.boxes(index),
            None => self.source.propose(dataset, index),
        }
        .with_context(|| format!("proposals of image {}", dataset.id(index)))
    }

    /// The boxes of image `index` within the limits, best first.
    ///
    /// # Errors
    /// As [`Proposals::unfiltered`].
    pub fn boxes(&self, dataset: &dyn Dataset, index: usize) -> Result<Vec<BoundingBox>> {
        Ok(self.limits.filter(&self.unfiltered(dataset, index)?))
    }
}
