//! The contents of an image file, as a digest.

use super::stamp::Stamp;
use crate::digest::{hexadecimal, of_file};
use crate::geometry::Size;
use crate::image_file;
use sha2::{Digest, Sha256};
use std::fmt;
use std::path::Path;

/// The contents of an image file, as a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The first half of the SHA-256 of its bytes.
    Bytes([u8; 16]),
    /// There is no regular file, or it cannot be read.
    Unreadable,
}

impl Content {
    /// Reads a file.
    pub fn of(path: &Path) -> Self {
        Look::at(path).content
    }

    /// Reads what [`fmt::Display`] writes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == UNREADABLE {
            return Some(Self::Unreadable);
        }
        let digits = text.as_bytes().as_chunks::<2>();
        let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Vec<u8> = digits.0.iter().map(byte).collect::<Option<_>>()?;
        digits.1.is_empty().then(|| bytes.try_into().ok())?.map(Self::Bytes)
    }
}

const UNREADABLE: &str = "unreadable";

impl fmt::Display for Content {
    /// 32 hexadecimal digits, or `unreadable`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => f.write_str(&hexadecimal(bytes)),
            Self::Unreadable => f.write_str(UNREADABLE),
        }
    }
}

/// The facts that one reading of a file gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// None where there is no regular file.
    pub stamp: Option<Stamp>,
    pub content: Content,
    /// Of the upright image, where the file is one.
    pub size: Option<Size>,
}

/// Larger files are digested piece by piece.
const WHOLE: u64 = 64 << 20;

impl Look {
    /// Of no file.
    pub const NONE: Self = Self { stamp: None, content: Content::Unreadable, size: None };

    /// Reads a file.
    pub fn at(path: &Path) -> Self {
        /// A file that is being written is read again; one that never rests is not worth more.
        const TRIES: usize = 3;
        let mut look = Self::NONE;
        for _ in 0..TRIES {
            let Some(stamp) = Stamp::of(path) else { break };
            look = Self::read(path, stamp);
            if Stamp::of(path) == Some(stamp) {
                return look;
            }
        }
        Self { content: Content::Unreadable, size: None, ..look }
    }

    fn read(path: &Path, stamp: Stamp) -> Self {
        let unreadable = Self { stamp: Some(stamp), content: Content::Unreadable, size: None };
        if stamp.bytes > WHOLE {
            return match of_file(path) {
                Ok(hash) => Self { content: half(&hash), size: image_file::size(path).ok(), ..unreadable },
                Err(_) => unreadable,
            };
        }
        match std::fs::read(path) {
            Ok(bytes) => Self {
                content: half(&Sha256::digest(&bytes).into()),
                size: image_file::size_of(&bytes),
                ..unreadable
            },
            Err(_) => unreadable,
        }
    }
}

fn half(hash: &[u8; 32]) -> Content {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Content::Bytes(bytes)
}
