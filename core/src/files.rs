//! Files that are whole or not there: written to a temporary name, fsynced, renamed.

use anyhow::{Context, Result};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes `bytes` to `path`; after a crash or on a full disk the old file is still whole.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomic_with(path, |file| file.write_all(bytes).with_context(|| writing(path)))
}

/// As [`write_atomic`], with what `write` writes: for files that are too large for memory. Its error is passed on as
/// it is; [`writing`] says what failed.
pub fn write_atomic_with(path: &Path, write: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let temporary = temporary_name(path);
    let create = || -> Result<()> {
        let mut file = create_locked(&temporary).with_context(|| writing(path))?;
        write(&mut file)?;
        file.sync_all().and_then(|()| fs::rename(&temporary, path)).with_context(|| writing(path))
    };
    let written = create();
    if written.is_err() {
        // The temporary file is of no use; if it cannot be removed, the first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    sync_parent(path)
}

/// Removes the temporary files in a directory that killed processes left there; those that are being written stay.
pub fn remove_abandoned(directory: &Path) -> Result<()> {
    let listing = || format!("listing {}", directory.display());
    for entry in fs::read_dir(directory).with_context(listing)? {
        let path = entry.with_context(listing)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !(name.starts_with('.') && name.ends_with(TEMPORARY)) {
            continue;
        }
        // A writer holds the lock until it is done. What cannot be opened or locked is not ours to remove.
        let Ok(file) = File::open(&path) else { continue };
        if file.try_lock().is_ok() {
            // Its writer may have just renamed it, or another process removed it.
            remove_if_there(&path)?;
        }
    }
    Ok(())
}

/// Removes a file; that there is none is no error.
pub fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.with_context(|| format!("removing {}", path.display())),
    }
}

/// What is in a directory, sorted, without hidden names: `.DS_Store`, and the `._a.jpg` that macOS puts beside `a.jpg`
/// wherever a disk or an archive cannot keep what else it knows of a file.
///
/// # Errors
/// When the directory cannot be listed.
pub fn visible(directory: &Path) -> Result<Vec<PathBuf>> {
    let listing = || format!("listing {}", directory.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).with_context(listing)? {
        let entry = entry.with_context(listing)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// A new file with a lock that says that it is being written.
fn create_locked(path: &Path) -> std::io::Result<File> {
    loop {
        let file = File::create(path)?;
        // Some filesystems know no locks; there nobody takes an unlocked file for an abandoned one either.
        let locked = file.lock().is_ok();
        // Between the two calls it may have been taken for abandoned.
        if !locked || path.exists() {
            return Ok(file);
        }
    }
}

/// What failed when a file could not be written.
pub fn writing(path: &Path) -> String {
    format!("writing {} (is the disk full or read-only?)", path.display())
}

/// Makes a rename in the directory of `path` durable.
fn sync_parent(path: &Path) -> Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        // Some filesystems refuse to open directories for syncing; the rename is atomic all the same.
        if let Ok(directory) = File::open(parent) {
            directory.sync_all().with_context(|| format!("syncing {}", parent.display()))?;
        }
    }
    Ok(())
}

/// The end of a temporary file's name, which begins with a dot.
const TEMPORARY: &str = ".tmp";

fn temporary_name(path: &Path) -> PathBuf {
    // Another name for each writer, in this process or another one.
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let write = WRITES.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.{write}{TEMPORARY}", std::process::id()))
}
