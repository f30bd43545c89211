//! The bytes of one file of the store.
//!
//! | bytes | content |
//! | --- | --- |
//! | 8 | `UVIPBOX1`: the format and its version |
//! | 32 | SHA-256 of the key: what the boxes were computed from |
//! | 4 | the shard's number, little endian |
//! | ... | for each image: the number of boxes, then x, y, width, height of each |
//! | 32 | SHA-256 of all bytes before |
//!
//! Numbers after the header are LEB128: seven bits a byte, the lowest first, the high bit set on all but
//! the last. A box of an ordinary photograph takes 8 bytes.

use crate::geometry::BoundingBox;
use anyhow::{Result, ensure};
use sha2::{Digest, Sha256};

const MAGIC: &[u8; 8] = b"UVIPBOX1";
const HEADER: usize = MAGIC.len() + 32 + 4;
const CHECKSUM: usize = 32;

/// Writes the boxes of a shard's images, in order.
pub(super) fn encode(key: &[u8; 32], number: u32, images: &[Vec<BoundingBox>]) -> Vec<u8> {
    let mut bytes = [MAGIC.as_slice(), key, &number.to_le_bytes()].concat();
    for boxes in images {
        push(&mut bytes, boxes.len() as u64);
        for BoundingBox { x, y, width, height } in boxes {
            [x, y, width, height].iter().for_each(|side| push(&mut bytes, u64::from(**side)));
        }
    }
    bytes.extend_from_slice(&Sha256::digest(&bytes));
    bytes
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// When the bytes are not exactly a shard of that key, number and number of images.
pub(super) fn decode(
    bytes: &[u8],
    key: &[u8; 32],
    number: u32,
    images: usize,
) -> Result<Vec<Vec<BoundingBox>>> {
    ensure!(bytes.starts_with(MAGIC), "it is no file of boxes of this version");
    ensure!(bytes.len() >= HEADER + CHECKSUM, "it is truncated");
    let (content, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
    ensure!(Sha256::digest(content).as_slice() == checksum, "it is truncated or damaged");
    let (header, mut rest) = content.split_at(HEADER);
    let (own_key, own_number) = header[MAGIC.len()..].split_at(key.len());
    ensure!(own_key == key, "its boxes were computed from something else");
    ensure!(own_number == number.to_le_bytes(), "it is another shard, renamed");
    let decoded = (0..images).map(|_| take_boxes(&mut rest)).collect::<Option<Vec<_>>>();
    match decoded {
        Some(boxes) if rest.is_empty() => Ok(boxes),
        _ => anyhow::bail!("it does not hold the boxes of {images} images"),
    }
}

fn take_boxes(bytes: &mut &[u8]) -> Option<Vec<BoundingBox>> {
    let count = take(bytes)?;
    let mut side = || take(bytes).and_then(|side| u32::try_from(side).ok());
    (0..count)
        .map(|_| Some(BoundingBox { x: side()?, y: side()?, width: side()?, height: side()? }))
        .collect()
}

fn push(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: [u8; 32] = [7; 32];

    fn sample() -> Vec<Vec<BoundingBox>> {
        let one = BoundingBox::new(0, 127, 128, 16_384);
        vec![vec![one, BoundingBox::new(u32::MAX, 1, 2, 3)], vec![], vec![one]]
    }

    #[test]
    fn a_changed_byte_a_missing_end_and_a_foreign_header_are_told_apart() {
        let whole = encode(&KEY, 3, &sample());
        let changed = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            bytes
        };
        let cases = [
            (whole[..whole.len() - 1].to_vec(), KEY, 3, 3, "truncated or damaged"),
            (whole[..20].to_vec(), KEY, 3, 3, "truncated"),
            (Vec::new(), KEY, 3, 3, "no file of boxes"),
            (changed(0), KEY, 3, 3, "no file of boxes"),
            (changed(50), KEY, 3, 3, "truncated or damaged"),
            (whole.clone(), [8; 32], 3, 3, "something else"),
            (whole.clone(), KEY, 4, 3, "another shard"),
            (whole.clone(), KEY, 3, 2, "2 images"),
            (whole.clone(), KEY, 3, 4, "4 images"),
        ];
        for (bytes, key, number, images, expected) in cases {
            let error = decode(&bytes, &key, number, images).unwrap_err().to_string();
            assert!(error.contains(expected), "{error} / {expected}");
        }
        assert_eq!(decode(&whole, &KEY, 3, 3).unwrap(), sample());
    }

    #[test]
    fn the_format_does_not_change_unnoticed() {
        let bytes = encode(&KEY, 1, &[vec![BoundingBox::new(1, 127, 128, 300)]]);
        assert_eq!(bytes[..8], *b"UVIPBOX1");
        assert_eq!(bytes[40..44], [1, 0, 0, 0]);
        assert_eq!(bytes[44..bytes.len() - 32], [1, 1, 127, 0x80, 1, 0xac, 2]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            images in prop::collection::vec(prop::collection::vec(any::<[u32; 4]>(), 0..20), 0..20),
            number in any::<u32>(),
        ) {
            let boxes = |image: &Vec<[u32; 4]>| -> Vec<_> {
                image.iter().map(|[x, y, w, h]| BoundingBox::new(*x, *y, *w, *h)).collect()
            };
            let images: Vec<_> = images.iter().map(boxes).collect();
            let bytes = encode(&KEY, number, &images);
            prop_assert_eq!(decode(&bytes, &KEY, number, images.len()).unwrap(), images);
        }
    }
}
