//! Files that are complete or not there: whoever looks at a page while it is made anew sees the old one.

use anyhow::Result;
use std::path::Path;
use univip_stdx::files::{remove_abandoned_of, write_atomic};

/// Writes a file, and removes what a writer of it that was killed left beside it.
///
/// # Errors
/// When the directory cannot be written; what was at `path` stays as it was.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    remove_abandoned_of(path)?;
    write_atomic(path, bytes)
}
