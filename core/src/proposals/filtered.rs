//! The boxes that a run sees: stored or computed, and filtered.

use super::store::{BuildOptions, ProposalStore, StoreKey};
use super::{BoxLimits, ProposalSource};
use crate::dataset::Dataset;
use crate::geometry::BoundingBox;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::sync::OnceLock;

/// The filtered boxes of a dataset's images, by index.
///
/// Boxes of a source that is [`ProposalSource::stored`] are read from disk when they are first asked for
/// and kept in memory as filtered; those of other sources are computed each time.
pub struct Proposals {
    source: Box<dyn ProposalSource>,
    limits: BoxLimits,
    stored: Option<Stored>,
}

struct Stored {
    store: ProposalStore,
    /// The filtered boxes of each shard's images.
    shards: Vec<OnceLock<Vec<Vec<BoundingBox>>>>,
}

impl Proposals {
    /// The boxes of `source`, kept below `root` where the source asks for it.
    pub fn open(
        source: Box<dyn ProposalSource>,
        limits: BoxLimits,
        root: &Path,
        key: &StoreKey,
    ) -> Result<Self> {
        let stored = if source.stored() {
            let store = ProposalStore::open(root, key)?;
            let shards = std::iter::repeat_with(OnceLock::new).take(store.shards()).collect();
            Some(Stored { store, shards })
        } else {
            None
        };
        Ok(Self { source, limits, stored })
    }

    /// Computes what is not on disk yet, as [`ProposalStore::build`] says; nothing where nothing is stored.
    pub fn build(
        &self,
        dataset: &dyn Dataset,
        options: BuildOptions,
        progress: &mut dyn FnMut(u64, u64) -> Result<()>,
    ) -> Result<Vec<String>> {
        match &self.stored {
            Some(Stored { store, .. }) => store.build(dataset, &*self.source, options, progress),
            None => Ok(Vec::new()),
        }
    }

    /// The boxes of image `index` within the limits, best first.
    ///
    /// # Errors
    /// When the boxes are not on disk ([`Proposals::build`] was not called) or cannot be computed.
    pub fn boxes(&self, dataset: &dyn Dataset, index: usize) -> Result<Vec<BoundingBox>> {
        let Some(Stored { store, shards }) = &self.stored else {
            let boxes = self.source.propose(dataset, index);
            let boxes = boxes.with_context(|| format!("proposals of image {}", dataset.id(index)))?;
            return Ok(self.limits.filter(&boxes));
        };
        if index >= store.len() {
            bail!("there are proposals for {} images, and none for image {index}", store.len());
        }
        let (shard, place) = (index / ProposalStore::SHARD, index % ProposalStore::SHARD);
        if let Some(images) = shards[shard].get() {
            return Ok(images[place].clone());
        }
        let images: Vec<_> = store.read(shard)?.iter().map(|boxes| self.limits.filter(boxes)).collect();
        // Another thread may have read the same shard meanwhile: its boxes are the same.
        Ok(shards[shard].get_or_init(|| images)[place].clone())
    }
}
