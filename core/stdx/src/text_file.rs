//! Text files that come from elsewhere. What often lies in their place is named for what it is.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::string::FromUtf8Error;

/// A file that cannot be read as text.
#[derive(Debug, thiserror::Error)]
pub enum TextFileError {
    /// It is missing, or the system refuses it.
    #[error("{doing} {}", path.display())]
    System {
        /// `opening` or `reading`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It is there and is something else.
    #[error("{} is {what}", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The end of a sentence about it, with the remedy.
        what: &'static str,
    },
    /// It is not UTF-8.
    #[error("reading {}", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The place of the first such byte.
        source: FromUtf8Error,
    },
}

impl TextFileError {
    /// True if there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::System { source, .. } if source.kind() == ErrorKind::NotFound)
    }

    /// An empty file where some text is needed.
    pub(crate) fn empty(path: &Path) -> Self {
        Self::NotText { path: path.into(), what: "empty (0 bytes): download or copy it again" }
    }

    fn system(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::System { doing, path: path.into(), source }
    }
}

/// Opens a file of UTF-8 text behind its byte order mark, if it has one.
///
/// # Errors
/// Naming the file: when it cannot be opened, is no regular file, is empty, or is what [`in_place_of_text`] knows.
pub fn open(path: &Path) -> Result<BufReader<File>, TextFileError> {
    let cannot = TextFileError::system("opening", path);
    refuse_special(path)?;
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path).map_err(&cannot)?);
    let first = reader.fill_buf().map_err(cannot)?;
    if first.is_empty() {
        return Err(TextFileError::empty(path));
    }
    refuse_other(path, first)?;
    if first.starts_with(BYTE_ORDER_MARK) {
        reader.consume(BYTE_ORDER_MARK.len());
    }
    Ok(reader)
}

/// The text of a file, which may be empty, without a byte order mark.
///
/// # Errors
/// As [`open`], and when it is not UTF-8.
pub fn read(path: &Path) -> Result<String, TextFileError> {
    refuse_special(path)?;
    let bytes = fs::read(path).map_err(TextFileError::system("reading", path))?;
    refuse_other(path, &bytes)?;
    let mut text =
        String::from_utf8(bytes).map_err(|source| TextFileError::NotUtf8 { path: path.into(), source })?;
    if text.starts_with('\u{feff}') {
        text.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(text)
}

/// Before a file is opened: opening a pipe would wait for its other end, and a device has no end.
fn refuse_special(path: &Path) -> Result<(), TextFileError> {
    let metadata = fs::metadata(path).map_err(TextFileError::system("opening", path))?;
    if !metadata.is_file() {
        return Err(TextFileError::NotText { path: path.into(), what: "not a regular file" });
    }
    Ok(())
}

fn refuse_other(path: &Path, first: &[u8]) -> Result<(), TextFileError> {
    match in_place_of_text(first) {
        Some(what) => Err(TextFileError::NotText { path: path.into(), what }),
        None => Ok(()),
    }
}

/// The format of a file that begins with these bytes, if it is one that is often found in the place of another, and what
/// to do: a download that went wrong, a file that is still packed.
pub fn in_place_of_text(first: &[u8]) -> Option<&'static str> {
    let begins = |with: &[u8]| first.starts_with(with);
    let utf16 =
        begins(b"\xff\xfe") || begins(b"\xfe\xff") || begins(b"{\0") || begins(b"\0{") || begins(b"[\0");
    let known = [
        (utf16 || begins(b"\0\0\xfe\xff"), "UTF-16 or UTF-32 text: save it as UTF-8"),
        (begins(b"\x1f\x8b"), "compressed by gzip: unpack it with gunzip"),
        (begins(b"PK\x03\x04"), "a ZIP archive: unpack it"),
        (begins(b"BZh"), "compressed by bzip2: unpack it with bunzip2"),
        (begins(b"\xfd7zXZ\0"), "compressed by xz: unpack it with unxz"),
        (begins(b"\x28\xb5\x2f\xfd"), "compressed by Zstandard: unpack it with unzstd"),
        (
            begins(b"version https://git-lfs."),
            "a Git LFS pointer and not the file itself: run `git lfs pull`",
        ),
        (is_web_page(first), "an HTML page, which a server sent in its place: download it again"),
    ];
    known.into_iter().find_map(|(is, what)| is.then_some(what))
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

fn is_web_page(first: &[u8]) -> bool {
    let text = first.strip_prefix(BYTE_ORDER_MARK).unwrap_or(first).trim_ascii_start();
    [&b"<!doctype html"[..], b"<html"]
        .iter()
        .any(|start| text.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_without_its_byte_order_mark_and_nothing_else_is_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.json");
        let read = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            read(&path).map_err(|error| error.to_string())
        };
        assert_eq!(read(b"{}").unwrap(), "{}");
        assert_eq!(read(b"\xef\xbb\xbf[1]").unwrap(), "[1]");
        for (bytes, expected) in [
            (&b"\xff\xfe{\0}\0"[..], "is UTF-16 or UTF-32 text: save it as UTF-8"),
            (b"{\0}\0", "is UTF-16"),
            (b"\0\0\xfe\xff\0\0\0{", "UTF-32"),
            (b"\x1f\x8b\x08\0", "is compressed by gzip: unpack it with gunzip"),
            (b"PK\x03\x04", "is a ZIP archive"),
            (b"BZh91AY", "bzip2"),
            (b"\xfd7zXZ\0", "xz"),
            (b"\x28\xb5\x2f\xfd", "Zstandard"),
            (b"\n <!DOCTYPE HTML>\n<title>404</title>", "is an HTML page"),
            (b"\xef\xbb\xbf<html lang=en>", "is an HTML page"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "is a Git LFS pointer"),
            (b"{\"a\": \"\xff\"}", "reading "),
        ] {
            let said = read(bytes).unwrap_err();
            assert!(said.contains("a.json") && said.contains(expected), "{bytes:?}: {said}");
        }
        assert_eq!(read(b"").unwrap(), "");
        let none = super::read(&directory.path().join("none")).unwrap_err();
        assert!(none.is_missing() && none.to_string().starts_with("opening "), "{none}");
        assert!(
            open(&path).unwrap_err().to_string().ends_with("is empty (0 bytes): download or copy it again")
        );
        let said = super::read(directory.path()).unwrap_err().to_string();
        assert!(said.ends_with("is not a regular file"), "{said}");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_no_file() {
        let said = read(Path::new("/dev/zero")).unwrap_err().to_string();
        assert_eq!(said, "/dev/zero is not a regular file");
    }
}
