//! Files that are whole or not there: written to a temporary name, fsynced, renamed.

use anyhow::{Context, Result};
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Writes `bytes` to `path`; after a crash or on a full disk the old file is still whole.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomic_with(path, |file| file.write_all(bytes).with_context(|| writing(path)))
}

/// As [`write_atomic`], with what `write` writes: for files that are too large for memory. Its error is passed on as
/// it is; [`writing`] says what failed.
pub fn write_atomic_with(path: &Path, write: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let mut temporary = Temporary::create(path).with_context(|| writing(path))?;
    let create = || -> Result<()> {
        write(&mut temporary.file)?;
        let synced = temporary.file.sync_all();
        synced.and_then(|()| fs::rename(&temporary.path, path)).with_context(|| writing(path))
    };
    let written = create();
    if written.is_err() {
        // The temporary file is of no use; if it cannot be removed, the first error is the one to tell.
        let _ = fs::remove_file(&temporary.path);
    }
    written?;
    sync_parent(path)
}

/// Removes the temporary files in a directory that killed processes left there; those that are being written stay.
pub fn remove_abandoned(directory: &Path) -> Result<()> {
    sweep(directory, |name| name.starts_with('.') && name.ends_with(TEMPORARY))
}

/// As [`remove_abandoned`], only those of writers of `path`: for a directory that is not this program's own.
pub fn remove_abandoned_of(path: &Path) -> Result<()> {
    let prefix = temporary_prefix(path);
    sweep(directory_of(path), |name| name.starts_with(&prefix) && name.ends_with(TEMPORARY))
}

fn sweep(directory: &Path, is_temporary: impl Fn(&str) -> bool) -> Result<()> {
    let listing = || format!("listing {}", directory.display());
    for entry in fs::read_dir(directory).with_context(listing)? {
        let path = entry.with_context(listing)?.path();
        if !path.file_name().is_some_and(|name| is_temporary(&name.to_string_lossy())) {
            continue;
        }
        // A writer holds the lock until it is done. What cannot be opened or locked is not ours to remove.
        let Ok(file) = File::open(&path) else { continue };
        if file.try_lock().is_ok() {
            match fs::remove_file(&path) {
                // Its writer may have just renamed it, or another process removed it; or nothing can be removed here.
                Err(error) if is_kept(&error) => {}
                removed => removed.with_context(|| removing(&path))?,
            }
        }
    }
    Ok(())
}

fn is_kept(error: &io::Error) -> bool {
    use ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), NotFound | PermissionDenied | ReadOnlyFilesystem)
}

/// Removes a file; that there is none is no error.
pub fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.with_context(|| removing(path)),
    }
}

/// The entries of a directory, sorted, without hidden names: `.DS_Store`, and the `._a.jpg` that macOS puts beside `a.jpg`
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

/// The operation that failed when a file could not be written.
pub fn writing(path: &Path) -> String {
    format!("writing {} (is the disk full or read-only?)", path.display())
}

fn removing(path: &Path) -> String {
    format!("removing {}", path.display())
}

/// Makes durable that `path` is in its directory: after it was made or renamed.
///
/// # Errors
/// When the directory cannot be synced.
pub fn sync_parent(path: &Path) -> Result<()> {
    let parent = directory_of(path);
    // Some filesystems refuse to open directories for syncing; the rename is atomic all the same.
    if let Ok(directory) = File::open(parent) {
        directory.sync_all().with_context(|| format!("syncing {}", parent.display()))?;
    }
    Ok(())
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A new file with a lock that says that it is being written.
struct Temporary {
    path: PathBuf,
    file: File,
}

impl Temporary {
    /// A file that no one else writes: its name is drawn, and is that of a new file. Process ids do not tell writers apart,
    /// since two containers that share a directory have the same ones.
    fn create(target: &Path) -> io::Result<Self> {
        loop {
            let drawn = RandomState::new().hash_one(std::process::id());
            let name = format!("{}{drawn:016x}{TEMPORARY}", temporary_prefix(target));
            let path = target.with_file_name(name);
            let file = match OpenOptions::new().write(true).create_new(true).open(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                opened => opened?,
            };
            // Some filesystems know no locks; there nobody takes an unlocked file for an abandoned one either.
            let locked = file.lock().is_ok();
            // Between the two calls it may have been taken for abandoned.
            if !locked || path.exists() {
                return Ok(Self { path, file });
            }
        }
    }
}

/// The end of a temporary file's name, which begins with [`temporary_prefix`].
const TEMPORARY: &str = ".tmp";

fn temporary_prefix(target: &Path) -> String {
    format!(".{}.", target.file_name().unwrap_or_default().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    /// Writers that cannot be told apart by process, as those of two containers: each writes to a file of its own.
    #[test]
    fn writers_of_one_file_never_share_a_temporary_one() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("000000.npz");
        let all_opened = Barrier::new(8);
        std::thread::scope(|scope| {
            let write = |byte: u8| {
                let (path, all_opened) = (&path, &all_opened);
                move || {
                    write_atomic_with(path, |file| {
                        file.write_all(&[byte; 1000])?;
                        all_opened.wait();
                        Ok(file.write_all(&[byte; 1000])?)
                    })
                }
            };
            let writers: Vec<_> = (0..8).map(|byte| scope.spawn(write(byte))).collect();
            writers.into_iter().for_each(|writer| writer.join().unwrap().unwrap());
        });
        let written = fs::read(&path)?;
        assert!(
            written.len() == 2000 && written.iter().all(|byte| *byte == written[0]),
            "{} bytes",
            written.len()
        );
        assert_eq!(fs::read_dir(directory.path())?.count(), 1, "a temporary file was left");
        Ok(())
    }

    #[test]
    fn what_is_being_written_is_not_swept_and_what_was_left_is() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("x");
        let names = [".x.0123.tmp", ".other.0123.tmp", ".x", "x.tmp"];
        names.iter().try_for_each(|name| fs::write(directory.path().join(name), "left"))?;
        let left = || names.map(|name| directory.path().join(name).exists());
        remove_abandoned_of(&path)?;
        assert_eq!(left(), [false, true, true, true]);
        write_atomic_with(&path, |file| {
            remove_abandoned(directory.path())?;
            Ok(file.write_all(b"whole")?)
        })?;
        assert_eq!(left(), [false, false, true, true]);
        assert_eq!(fs::read(&path)?, b"whole");
        Ok(())
    }
}
