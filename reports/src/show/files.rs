//! Files that are whole or not there. Whoever looks at a page while it is made anew sees the old one.

use anyhow::{Context, Result};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use tempfile::NamedTempFile;

/// Writes `bytes` to `path`: to a temporary name beside it, fsynced, renamed. What a writer that was killed left there is
/// removed.
///
/// # Errors
/// When the directory cannot be written; what was at `path` stays as it was.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let writing = || format!("writing {} (is the disk full or read-only?)", path.display());
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let prefix = format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy());
    sweep(directory, &prefix).with_context(writing)?;
    let mut file = create(directory, &prefix).with_context(writing)?;
    // Some filesystems know no locks; there nothing is taken for abandoned either.
    let _ = file.as_file().lock();
    let written = file.write_all(bytes).and_then(|()| file.as_file().sync_all());
    written.and_then(|()| Ok(file.persist(path)?)).map(drop).with_context(writing)
}

/// The end of a temporary file's name.
const TEMPORARY: &str = ".tmp";

fn create(directory: &Path, prefix: &str) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).suffix(TEMPORARY);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // A page is for everyone whom the umask lets read it; temporary files are for their owner alone.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(directory)
}

/// Removes the temporary files that nobody writes any more.
fn sweep(directory: &Path, prefix: &str) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(prefix) && name.ends_with(TEMPORARY) {
            let unlocked = File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok());
            if unlocked {
                // Another process may have done so.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_whole_or_the_old_one_and_what_a_kill_left_is_swept() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let page = directory.path().join("table7.md");
        for text in ["old", "new"] {
            fs::write(directory.path().join(".table7.md.AbCd12.tmp"), "left by a killed writer")?;
            fs::write(directory.path().join(".other.tmp"), "not ours")?;
            write_atomic(&page, text.as_bytes())?;
            assert_eq!(fs::read_to_string(&page)?, text);
            let mut names: Vec<_> =
                fs::read_dir(directory.path())?.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            assert_eq!(names, [".other.tmp", "table7.md"]);
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let plain = directory.path().join("plain");
            fs::write(&plain, "")?;
            let mode = |path: &Path| Ok::<_, std::io::Error>(fs::metadata(path)?.permissions().mode());
            assert_eq!(mode(&page)?, mode(&plain)?, "not the permissions of any other file");
        }
        // A directory is in the way: the file cannot be renamed.
        fs::create_dir(directory.path().join("taken"))?;
        let error = write_atomic(&directory.path().join("taken"), b"text").unwrap_err();
        assert!(format!("{error:#}").contains("taken (is the disk full"), "{error:#}");
        assert_eq!(fs::read_dir(directory.path())?.count(), 4, "a temporary file was left");
        Ok(())
    }
}
