//! Errors that a caller tells apart; everything else is an [`anyhow::Error`] with context.

use anyhow::{Result, ensure};
use std::path::PathBuf;

/// A recipe, a command-line setting or a plugin name that cannot be used as written.
#[derive(Debug, thiserror::Error)]
#[error("{origin}: `{key}`: {problem}")]
pub struct RecipeError {
    /// The file, environment variable or flag that said it.
    pub origin: String,
    /// The dotted key.
    pub key: String,
    /// What is wrong, what was expected and what to do.
    pub problem: String,
}

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

/// "did you mean `scene`?" when one of `known` is close to `given`, then the whole list.
pub fn suggest(given: &str, known: &[&str]) -> String {
    let close = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(given, name), *name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min();
    let list = known.join(", ");
    match close {
        Some((_, name)) => format!("did you mean `{name}`? Known: {list}"),
        None => format!("known: {list}"),
    }
}

/// As much of a name that a file says as a message has room for, with control characters escaped.
pub fn brief(name: &str) -> String {
    const MOST: usize = 60;
    let escaped = |letter: char| match letter.is_control() {
        true => letter.escape_default().to_string(),
        false => letter.to_string(),
    };
    let shown: String = name.chars().take(MOST).map(escaped).collect();
    if name.chars().nth(MOST).is_some() { shown + "..." } else { shown }
}

/// Refuses input of which anything has a problem: how many of `all` there are, and the first few, by `named`.
///
/// # Errors
/// When there is any: `3 of 90 annotations are of images that are not listed: annotation 4 of image 7, ...`
pub fn refuse_any(what: &str, all: usize, named: impl Iterator<Item = String>) -> Result<()> {
    const SHOWN: usize = 3;
    let mut named = named.fuse();
    let first: Vec<String> = named.by_ref().take(SHOWN).collect();
    let more = named.count();
    ensure!(
        first.is_empty(),
        "{} of {all} {what}: {}{}",
        first.len() + more,
        first.join(", "),
        if more > 0 { ", ..." } else { "" }
    );
    Ok(())
}
