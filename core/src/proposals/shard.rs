//! One file of the store: a ZIP archive that `numpy.load` opens as it is.
//!
//! | member | content |
//! | --- | --- |
//! | `about.json` | the store's key and its SHA-256, the shard's number, the names and contents of its images |
//! | `0.npy`, `1.npy`, ... | the boxes of each image, unfiltered and in order |
//!
//! An array has the shape (bytes, 4, boxes) and the type `u1`: the lowest byte of all left, all top, all right and
//! all bottom edges, then the next byte, as many as the largest edge needs. Bytes of one kind together compress a
//! tenth better than boxes one after the other. Every member is deflated and has a CRC-32.

use super::StoreKey;
use crate::geometry::BoundingBox;
use anyhow::{Context, Result, anyhow, bail, ensure};
use flate2::Crc;
use flate2::read::DeflateDecoder;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

/// The header of a shard.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    format: String,
    /// Of the store's key; the key itself is for people.
    sha256: String,
    key: serde_json::Value,
    shard: usize,
    images: Vec<String>,
    /// The contents of the images' files; empty if they have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    contents: Vec<String>,
}

/// A key with its digest.
#[derive(Debug)]
pub(super) struct Identity {
    pub key: StoreKey,
    pub sha256: String,
}

const FORMAT: &str = "univip proposals 1";
const ABOUT: &str = "about.json";
/// The names of 64 images and the key take kilobytes; packed, gigabytes fit into a small file.
const LARGEST_ABOUT: u64 = 4 << 20;
/// At 16 bytes per box, four million boxes of an image.
const LARGEST_ARRAY: u64 = 64 << 20;

/// The bytes of a shard with the boxes of its images, by name and in order, and with what the images' files hold. The same
/// input gives the same bytes.
pub(super) fn encode(
    identity: &Identity,
    shard: usize,
    contents: &[String],
    images: &[(String, Vec<BoundingBox>)],
) -> Result<Vec<u8>> {
    let names = images.iter().map(|(name, _)| name.clone()).collect();
    let Identity { key, sha256 } = identity;
    let (format, key) = (FORMAT.into(), serde_json::to_value(key)?);
    let about =
        About { format, sha256: sha256.clone(), key, shard, images: names, contents: contents.to_vec() };
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        .last_modified_time(DateTime::default());
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file(ABOUT, options)?;
    archive.write_all(&serde_json::to_vec(&about)?)?;
    for (place, (_, boxes)) in images.iter().enumerate() {
        archive.start_file(format!("{place}.npy"), options)?;
        archive.write_all(&array(boxes))?;
    }
    Ok(archive.finish()?.into_inner())
}

/// The contents of the files of a shard's images when it was written.
pub(super) fn contents(path: &Path) -> Result<Vec<String>> {
    let mut archive = ZipArchive::new(BufReader::new(File::open(path)?))?;
    let about: About = serde_json::from_reader(archive.by_name(ABOUT)?)?;
    Ok(about.contents)
}

/// The places of a shard's arrays in its file.
#[derive(Debug)]
pub(super) struct Index(Vec<Place>);

#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    packed: u64,
    unpacked: u64,
    crc: u32,
}

impl Index {
    /// Opens the shard of that key, number and number of images.
    ///
    /// # Errors
    /// When the file is truncated, damaged, no archive, or of another store, shard or number of images.
    pub(super) fn open(path: &Path, sha256: &str, shard: usize, images: usize) -> Result<Self> {
        let file = File::open(path).context("it cannot be opened")?;
        let archive = ZipArchive::new(BufReader::new(file));
        let mut archive = archive.context("it is truncated, or no file of a store")?;
        let about: About = {
            let member =
                archive.by_name(ABOUT).context("it is no file of a store: it says nothing about itself")?;
            serde_json::from_reader(member.take(LARGEST_ABOUT))
                .context("what it says about itself is damaged")?
        };
        ensure!(about.format == FORMAT, "its format is `{}`, expected `{FORMAT}`", about.format);
        ensure!(about.sha256 == sha256, "its boxes were computed from something else, by its {ABOUT}");
        ensure!(about.shard == shard, "it is shard {}, renamed", about.shard);
        ensure!(about.images.len() == images, "it is of {} images, expected {images}", about.images.len());
        let place = |image: usize| -> Result<Place> {
            let member = archive.by_name(&format!("{image}.npy"));
            let member = member.with_context(|| format!("it has no boxes of its image {image}"))?;
            let offset = member.data_start().context("it does not say where its boxes are")?;
            Ok(Place {
                offset,
                packed: member.compressed_size(),
                unpacked: member.size(),
                crc: member.crc32(),
            })
        };
        Ok(Self((0..images).map(place).collect::<Result<_>>()?))
    }

    /// The boxes of one image: one read of the file at `path`, whatever its size.
    pub(super) fn read(&self, path: &Path, image: usize) -> Result<Vec<BoundingBox>> {
        let place = self.0[image];
        let mut file = File::open(path).context("it cannot be opened")?;
        // The sizes are the file's word: memory follows what is there, and not what they say.
        let mut packed = Vec::new();
        file.seek(SeekFrom::Start(place.offset))
            .and_then(|_| file.take(place.packed).read_to_end(&mut packed))
            .context("it cannot be read")?;
        ensure!(packed.len() as u64 == place.packed, "it is truncated");
        ensure!(place.unpacked <= LARGEST_ARRAY, "it claims {} bytes of boxes of one image", place.unpacked);
        let mut bytes = Vec::new();
        let unpacked = DeflateDecoder::new(&*packed).take(place.unpacked).read_to_end(&mut bytes);
        let mut crc = Crc::new();
        crc.update(&bytes);
        ensure!(
            unpacked.is_ok() && bytes.len() as u64 == place.unpacked && crc.sum() == place.crc,
            "the boxes of its image {image} are damaged"
        );
        boxes(&bytes).with_context(|| format!("the boxes of its image {image}"))
    }
}

const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";

/// Boxes as a file of NumPy's.
fn array(boxes: &[BoundingBox]) -> Vec<u8> {
    let edges = || {
        let edge = |edge: fn(&BoundingBox) -> u32| boxes.iter().map(edge);
        edge(|one| one.x)
            .chain(edge(|one| one.y))
            .chain(edge(|one| one.right()))
            .chain(edge(|one| one.bottom()))
    };
    let largest = edges().max().unwrap_or(0);
    let planes = (32 - largest.leading_zeros()).div_ceil(8).max(1);
    let shape = format!("({planes}, 4, {})", boxes.len());
    let mut header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
    // NumPy wants the data to begin at a multiple of 64 bytes.
    let room = (MAGIC.len() + 2 + header.len() + 1).next_multiple_of(64) - MAGIC.len() - 3;
    header = format!("{header:<room$}\n");
    let mut bytes = [MAGIC, &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat();
    for plane in 0..planes {
        bytes.extend(edges().map(|edge| (edge >> (8 * plane)) as u8));
    }
    bytes
}

/// Reads what [`array`] wrote.
fn boxes(bytes: &[u8]) -> Result<Vec<BoundingBox>> {
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| anyhow!("it is no array of NumPy's, version 1"))?;
    let (length, rest) = rest.split_first_chunk::<2>().context("its header is cut off")?;
    let length = usize::from(u16::from_le_bytes(*length));
    ensure!(rest.len() >= length, "its header is cut off");
    let (header, data) = rest.split_at(length);
    let (planes, count) = shape(header)?;
    let size = count.checked_mul(4).and_then(|edges| edges.checked_mul(planes));
    ensure!((1..=4).contains(&planes) && size == Some(data.len()), "its shape does not fit its size");
    let edge = |side: usize, one: usize| {
        let byte = |plane: usize| u32::from(data[(plane * 4 + side) * count + one]) << (8 * plane);
        (0..planes).map(byte).sum::<u32>()
    };
    let one = |one: usize| {
        let [left, top, right, bottom] = [0, 1, 2, 3].map(|side| edge(side, one));
        ensure!(left < right && top < bottom, "box {one} is empty");
        Ok(BoundingBox::new(left, top, right - left, bottom - top))
    };
    (0..count).map(one).collect()
}

/// The first and the last number of the shape in an array's header; the middle one is 4.
fn shape(header: &[u8]) -> Result<(usize, usize)> {
    let text = String::from_utf8_lossy(header);
    let listed = text.split_once("'shape': (").and_then(|(_, rest)| rest.split_once(')'));
    let (numbers, _) = listed.context("its header has no shape")?;
    let numbers: Vec<usize> = numbers.split(',').filter_map(|number| number.trim().parse().ok()).collect();
    match numbers[..] {
        [planes, 4, count] if text.contains("'|u1'") && text.contains("'fortran_order': False") => {
            Ok((planes, count))
        }
        _ => bail!("its header is not that of boxes: {}", text.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_format_does_not_change_unnoticed() {
        let bytes = array(&[BoundingBox::new(1, 2, 300, 4), BoundingBox::new(5, 6, 7, 8)]);
        let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 4, 2), }";
        assert_eq!(bytes[..8], *b"\x93NUMPY\x01\x00");
        assert_eq!(bytes[8..10], [118, 0]);
        assert_eq!(String::from_utf8_lossy(&bytes[10..128]), format!("{header:<117}\n"));
        let low = [1, 5, 2, 6, 45, 12, 6, 14];
        let high = [0, 0, 0, 0, 1, 0, 0, 0];
        assert_eq!(bytes[128..], [low, high].concat());
    }

    #[test]
    fn a_damaged_array_is_an_error() {
        let whole = array(&[BoundingBox::new(1, 2, 300, 4)]);
        let spoilt = |at: usize, byte: u8| {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            bytes
        };
        let cases = [
            (whole[..whole.len() - 1].to_vec(), "does not fit"),
            (whole[..20].to_vec(), "cut off"),
            (Vec::new(), "no array"),
            (spoilt(0, 0), "no array"),
            (spoilt(22, b'i'), "not that of boxes"),
            (spoilt(131, 1), "box 0 is empty"),
        ];
        for (bytes, expected) in cases {
            let error = boxes(&bytes).unwrap_err().to_string();
            assert!(error.contains(expected), "{error} / {expected}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            sides in prop::collection::vec((any::<u16>(), any::<u32>(), 1u32..70_000, any::<u16>()), 0..40),
            shift in 0u32..32,
        ) {
            let one = |(x, y, width, height): &(u16, u32, u32, u16)| {
                BoundingBox::new(u32::from(*x), y >> shift >> 1, *width, u32::from(*height) + 1)
            };
            let given: Vec<BoundingBox> = sides.iter().map(one).collect();
            prop_assert_eq!(boxes(&array(&given)).unwrap(), given);
        }
    }
}
