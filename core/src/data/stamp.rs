//! The size and times of a file, known without reading it.

use std::fs::Metadata;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// A file with the same stamp is taken for unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub bytes: u64,
    /// When the contents were last written, in nanoseconds since 1970.
    pub modified: i64,
    /// When the contents or the attributes last changed, which no program can set; 0 where the system does not say.
    pub changed: i64,
}

/// Two writes within this many nanoseconds may leave the same times: file systems round them, some to two seconds.
const GRAIN: i64 = 2_000_000_000;

impl Stamp {
    /// None where there is no regular file.
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok().filter(Metadata::is_file)?;
        let modified = nanoseconds(metadata.modified().ok()?);
        Some(Self { bytes: metadata.len(), modified, changed: changed(&metadata) })
    }

    /// True if the file was written so shortly before now that another write could leave this stamp as it is.
    pub fn is_recent(&self) -> bool {
        self.modified.max(self.changed) > nanoseconds(SystemTime::now()) - GRAIN
    }
}

#[cfg(unix)]
fn changed(metadata: &Metadata) -> i64 {
    use std::os::unix::fs::MetadataExt;
    metadata.ctime().saturating_mul(1_000_000_000).saturating_add(metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn changed(_metadata: &Metadata) -> i64 {
    0
}

/// Since 1970; negative before.
fn nanoseconds(time: SystemTime) -> i64 {
    let whole = |duration: std::time::Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => whole(after),
        Err(before) => -whole(before.duration()),
    }
}
