//! The file operations of an undisturbed run, as the library of faults logs them.

use std::path::Path;

/// A file operation.
#[derive(Debug, PartialEq, Eq)]
pub struct Operation {
    /// `write`, `fsync`, ...
    pub kind: String,
    /// True if the file only mirrors another. Two of three operations are on such files, and they matter least.
    pub of_mirror: bool,
}

/// The operations in a log, in order; none without one.
pub fn read(log: &Path) -> Vec<Operation> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let operation = |line: &str| {
        let mut words = line.splitn(3, ' ').skip(1);
        let (kind, path) = (words.next()?.to_string(), words.next()?);
        Some(Operation { kind, of_mirror: path.contains("tfevents") })
    };
    text.lines().filter_map(operation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_a_kind_and_a_path_in_each_line() -> std::io::Result<()> {
        let log = tempfile::NamedTempFile::new()?;
        std::fs::write(log.path(), "1 create /r/a b\n2 write /r/events.out.tfevents.1\n")?;
        let operation = |kind: &str, of_mirror| Operation { kind: kind.into(), of_mirror };
        assert_eq!(read(log.path()), [operation("create", false), operation("write", true)]);
        assert_eq!(read(Path::new("no such log")), []);
        Ok(())
    }
}
