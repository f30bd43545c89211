//! Errors that a caller tells apart; everything else is an [`anyhow::Error`] with context.

use std::path::PathBuf;

pub use univip_stdx::config::RecipeError;
pub use univip_stdx::refusal::{brief, refuse_any, suggest};

/// An image that cannot be read or used.
#[derive(Debug, thiserror::Error)]
#[error("image {}: {problem}", path.display())]
pub struct ImageError {
    /// The file on disk.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

/// An image file that has changed since a command looked at it: results would be of neither version.
#[derive(Debug, thiserror::Error)]
#[error(
    "image {} has changed while it was in use: restore it and run again to go on, or begin anew with --force",
    path.display()
)]
pub struct ImageChanged {
    /// The file on disk.
    pub path: PathBuf,
}

/// An evaluator found nothing that it could measure in the data of a run: no annotations, no masks. A recipe that names it is
/// no mistake for that.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotApplicable(pub String);

/// NaN or infinity in a loss term: the run stops.
#[derive(Debug, thiserror::Error)]
#[error(
    "step {step}: loss `{term}` is {value}; images {images:?}; the batch is saved in {}. \
     Lower optimizer.lr, or look at the saved batch.", batch.display()
)]
pub struct NonFinite {
    /// The optimiser step, counted from 0.
    pub step: u64,
    /// The loss term.
    pub term: String,
    /// NaN, inf or -inf.
    pub value: f32,
    /// The ids of the batch's images.
    pub images: Vec<String>,
    /// Where the batch was saved.
    pub batch: PathBuf,
}

/// The user asked to stop; what is done is on disk.
#[derive(Debug, thiserror::Error)]
pub enum Interrupted {
    /// While a network was trained: its checkpoint is written.
    #[error("interrupted at step {step}; a checkpoint is written, run the same command to resume")]
    Training {
        /// The next optimiser step.
        step: u64,
    },
    /// Before or after the training.
    #[error("interrupted; what is done is kept, run the same command to go on")]
    Elsewhere,
}
