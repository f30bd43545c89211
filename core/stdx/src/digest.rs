//! Digests of files and of values, and digests as people and file names see them.

use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, copy};
use std::path::Path;

/// The SHA-256 of a file, read piece by piece.
///
/// # Errors
/// When it cannot be read, or is no regular file: a pipe would wait for its other end, and a device has no end.
pub fn of_file(path: &Path) -> io::Result<[u8; 32]> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("no regular file"));
    }
    let mut hash = Sha256::new();
    copy(&mut File::open(path)?, &mut hash)?;
    Ok(hash.finalize().into())
}

/// The first 12 hexadecimal digits of the SHA-256 of a value's JSON: enough to tell recipes and settings apart, and short enough to read.
pub fn of_value(value: &serde_json::Value) -> String {
    hexadecimal(&Sha256::digest(value.to_string())[..6])
}

/// Two digits per byte, in lower case.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_device_has_no_digest() {
        assert_eq!(of_file(Path::new("/dev/null")).unwrap_err().to_string(), "no regular file");
    }
}
