//! Candidate instances: where their boxes come from (Section 3.2), which are kept (A.3), how they are
//! stored, and the naive boxes that stand in for missing ones (A.2).

mod filtered;
mod key;
mod limits;
mod naive;
pub(crate) mod settings;
mod shard;
mod store;
mod without_boxes;

pub use filtered::Proposals;
pub use key::StoreKey;
pub use limits::BoxLimits;
pub use naive::fill_with_naive_boxes;
pub(crate) use settings::ProposalSettings;
pub use store::{BuildOptions, ProposalStore};

use crate::dataset::Dataset;
use crate::error::ImageError;
use crate::geometry::BoundingBox;

/// A way to propose boxes for an image.
pub trait ProposalSource: Send + Sync {
    /// The boxes of image `index`, best first, unfiltered, each inside the image.
    ///
    /// Empty is a valid answer: the view sampler then draws naive boxes (Section 3.2).
    ///
    /// # Errors
    /// Those of [`Dataset::image`], as they are; anything else is [`ImageError::Other`].
    fn propose(&self, dataset: &dyn Dataset, index: usize) -> Result<Vec<BoundingBox>, ImageError>;

    /// True if the boxes are those of the dataset's annotations, which must then have been made for these images.
    fn annotated(&self) -> bool {
        false
    }

    /// True if the boxes cost enough to be kept on disk.
    fn stored(&self) -> bool {
        false
    }
}
