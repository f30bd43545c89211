//! The directory of a TIFF, checked before a decoder believes it.

/// Refuses a first directory whose entries claim more values than the file has bytes for: the decoder would make room for them
/// before it looks, 32 bytes for each. Every other fault is left to the decoder to tell.
///
/// # Errors
/// The claim, as the end of a sentence about the file.
pub(super) fn check_directory(bytes: &[u8]) -> Result<(), String> {
    let file = File { bytes };
    for Entry { tag, kind, count } in file.entries() {
        if count.saturating_mul(size(kind)) > bytes.len() as u64 {
            return Err(format!(
                "is a damaged TIFF: its {} bytes cannot hold the {count} values of tag {tag}; download or copy it again",
                bytes.len()
            ));
        }
    }
    Ok(())
}

/// A tag of a directory, the type of its values and their number (TIFF 6.0, section 2).
struct Entry {
    tag: u64,
    kind: u64,
    count: u64,
}

struct File<'a> {
    bytes: &'a [u8],
}

impl File<'_> {
    /// The entries of the first directory, as far as the file goes.
    fn entries(&self) -> impl Iterator<Item = Entry> {
        let start = self.number(4, 4).unwrap_or(u64::MAX);
        let entries = self.number(start, 2).unwrap_or(0);
        (0..entries).map_while(move |index| {
            let at = start.saturating_add(2 + 12 * index);
            let number = |offset: u64, width| self.number(at.saturating_add(offset), width);
            Some(Entry { tag: number(0, 2)?, kind: number(2, 2)?, count: number(4, 4)? })
        })
    }

    /// The unsigned number of `width` bytes at `place`; none behind the end.
    fn number(&self, place: u64, width: usize) -> Option<u64> {
        let start = usize::try_from(place).ok()?;
        let bytes = self.bytes.get(start..start.checked_add(width)?)?;
        let push = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        let little = self.bytes.starts_with(b"II");
        Some(if little { bytes.iter().rev().fold(0, push) } else { bytes.iter().fold(0, push) })
    }
}

/// The bytes of a value of a type; an unknown one has at least one.
fn size(kind: u64) -> u64 {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 => 8,
        _ => 1,
    }
}
