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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_writer_left_is_removed() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let left = |name: &str| directory.path().join(format!(".{name}.0123456789abcdef.tmp"));
        for name in ["table7.md", "other.md"] {
            std::fs::write(left(name), "half")?;
        }
        write(&directory.path().join("table7.md"), b"whole")?;
        assert!(!left("table7.md").exists() && left("other.md").exists());
        Ok(())
    }
}
