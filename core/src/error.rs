//! Errors that a caller tells apart; everything else is an [`anyhow::Error`] with context.

use std::path::PathBuf;

pub use univip_stdx::config::RecipeError;
pub use univip_stdx::refusal::{brief, refuse_any, suggest};

/// The reason why a dataset does not return an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file is missing or damaged, or cannot be used. `loader.broken` says whether a run goes on without it.
    #[error("image {}: {problem}", path.display())]
    Broken {
        /// The file on disk.
        path: PathBuf,
        /// The problem and the remedy, as the end of a sentence about the file.
        problem: String,
    },
    /// The file has changed since a command looked at it: results would be of neither version.
    #[error(
        "image {} has changed while it was in use: restore it and run again to go on, or begin anew with --force",
        path.display()
    )]
    Changed {
        /// The file on disk.
        path: PathBuf,
    },
    /// A mistake of the dataset's, which other images would only hide: it stops a run.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// An evaluator found nothing that it could measure in the data of a run: no annotations, no masks. A recipe that names it is
/// no mistake for that.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotApplicable(pub String);

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
