//! Image files of every kind that the `image` crate decodes in Rust, as upright 8-bit RGB.
//!
//! As with torchvision's `convert("RGB")`, transparency is dropped and grey becomes three equal channels;
//! 16-bit levels are scaled to 8. Of several frames or pages the first is read. The format is told by the content,
//! whatever the file's name. An orientation in EXIF is applied, so that boxes and pixels agree with what a viewer
//! shows.

use super::tiff::check_directory;
use crate::error::ImageError;
use crate::geometry::Size;
use crate::text_file::in_place_of_text;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use std::cell::Cell;
use std::fs::File;
use std::io::{Cursor, ErrorKind, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// The formats that are read.
const FORMATS: [ImageFormat; 8] = [
    ImageFormat::Jpeg,
    ImageFormat::Png,
    ImageFormat::WebP,
    ImageFormat::Bmp,
    ImageFormat::Gif,
    ImageFormat::Tiff,
    ImageFormat::Pnm,
    ImageFormat::Qoi,
];

/// Endings of JPEG files that the `image` crate does not list. It knows the first by [`ImageFormat::from_path`].
const OTHER_ENDINGS: [&str; 2] = ["jfif", "jpe"];

/// The pixels of the largest image that is read, unless [`limit_pixels`] says otherwise: Pillow's limit, beyond which it
/// warns of a decompression bomb.
pub const DEFAULT_MOST_PIXELS: u64 = 89_478_485;

/// One for the process, as in Pillow: memory is the process's.
static MOST_PIXELS: AtomicU64 = AtomicU64::new(DEFAULT_MOST_PIXELS);

/// The most that a pixel takes where nothing is compressed: four channels of 16 bits.
const BYTES_OF_A_PIXEL: u64 = 8;

/// Reads an image.
///
/// # Errors
/// [`ImageError::Broken`] when the file is missing, is in no format that is read, is truncated, broken or too large.
pub fn read(path: &Path) -> Result<RgbImage, ImageError> {
    caught(pixels, &bytes(path)?).map_err(|problem| broken(path, problem))
}

/// The size of what [`read`] returns, without decoding pixels.
///
/// # Errors
/// As [`read`], but for damage after the file's header.
pub fn size(path: &Path) -> Result<Size, ImageError> {
    caught(upright_size, &bytes(path)?).map_err(|problem| broken(path, problem))
}

/// As [`size`], of a file's bytes; none where they are no such image.
pub fn size_of(bytes: &[u8]) -> Option<Size> {
    caught(upright_size, bytes).ok()
}

/// Refuses images of more than `most` pixels from now on: `loader.max_pixels` of the recipe whose data is opened.
pub fn limit_pixels(most: u64) {
    MOST_PIXELS.store(most, Ordering::Relaxed);
}

/// True if a file's name ends as those of images that can be read do: `photo.JPG`, `scan.tif`.
pub fn is_named_as_image(path: &Path) -> bool {
    match ImageFormat::from_path(path) {
        Ok(format) => FORMATS.contains(&format),
        Err(_) => path
            .extension()
            .is_some_and(|ending| OTHER_ENDINGS.iter().any(|other| ending.eq_ignore_ascii_case(other))),
    }
}

/// The kind of skipped files that [`is_named_as_image`] does not know, for a [`Tally`](crate::tally::Tally).
pub const OTHER_FILES: &str = "file[ has|s have] no ending of an image that is read and [is|are] skipped";

/// The endings that [`is_named_as_image`] knows, as a sentence lists them.
pub fn endings() -> String {
    let all = FORMATS.iter().flat_map(|format| format.extensions_str());
    all.chain(&OTHER_ENDINGS).map(|ending| format!(".{ending}")).collect::<Vec<_>>().join(" ")
}

fn bytes(path: &Path) -> Result<Vec<u8>, ImageError> {
    let cannot = |error: std::io::Error| {
        let problem = match error.kind() {
            ErrorKind::NotFound => {
                "there is no such file; check the dataset's root and its annotations".into()
            }
            _ => format!("cannot be read: {error}"),
        };
        broken(path, problem)
    };
    // Asked by name and before it is opened: opening a pipe would wait for its other end.
    let metadata = std::fs::metadata(path).map_err(cannot)?;
    if !metadata.is_file() {
        return Err(broken(path, "cannot be read: it is not a regular file".into()));
    }
    if metadata.len() == 0 {
        return Err(broken(path, "is empty (0 bytes); download or copy it again".into()));
    }
    let most = MOST_PIXELS.load(Ordering::Relaxed);
    let limit = most.saturating_mul(BYTES_OF_A_PIXEL).saturating_add(1 << 20);
    if metadata.len() > limit {
        let problem = format!(
            "has {} bytes, more than an image of {most} pixels needs; make it smaller or raise loader.max_pixels",
            metadata.len()
        );
        return Err(broken(path, problem));
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(cannot)?;
    Ok(bytes)
}

fn broken(path: &Path, problem: String) -> ImageError {
    ImageError::Broken { path: path.into(), problem }
}

/// True on a thread within a decoder, whose panics are caught: a panic hook need not say them.
pub fn is_decoding() -> bool {
    DECODING.get()
}

thread_local! {
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Decoders of other crates panic on some damaged files (`png` 0.18 on a palette without its last colour): such an image is
/// broken as any other.
fn caught<T>(
    decode: impl Fn(&[u8]) -> Result<T, String> + std::panic::RefUnwindSafe,
    bytes: &[u8],
) -> Result<T, String> {
    let outer = DECODING.replace(true);
    let decoded = std::panic::catch_unwind(|| decode(bytes));
    DECODING.set(outer);
    decoded.unwrap_or_else(|_| Err("is damaged: its decoder gave up; download or copy it again".into()))
}

fn pixels(bytes: &[u8]) -> Result<RgbImage, String> {
    let (format, mut decoder) = decoder(bytes)?;
    if format == ImageFormat::Jpeg && !jpeg_is_complete(bytes) {
        return Err(format!(
            "is a truncated JPEG: its {} bytes end before the image does; download or copy it again",
            bytes.len()
        ));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| damaged(format, &error))?;
    image.apply_orientation(orientation);
    Ok(image.into_rgb8())
}

fn upright_size(bytes: &[u8]) -> Result<Size, String> {
    let (_, mut decoder) = decoder(bytes)?;
    let (width, height) = decoder.dimensions();
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    Ok(match decoder.orientation().unwrap_or(Orientation::NoTransforms) {
        Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH => Size { width: height, height: width },
        _ => Size { width, height },
    })
}

/// A decoder of an image that is not too large, whose memory follows the limit on pixels.
fn decoder(bytes: &[u8]) -> Result<(ImageFormat, impl ImageDecoder + '_), String> {
    let format = match image::guess_format(bytes) {
        Ok(format) if FORMATS.contains(&format) => format,
        Ok(other) => return Err(format!("is {other:?}, which is not read; convert it to PNG or JPEG")),
        // The container of HEIC and AVIF, which phones write whatever the file is then called.
        Err(_) if bytes.get(4..8) == Some(b"ftyp") => {
            return Err("is HEIC, which is not read; convert it to JPEG".into());
        }
        Err(_) => {
            let what = in_place_of_text(bytes).map(|what| format!("is {what}"));
            return Err(
                what.unwrap_or_else(|| "is in no image format that is known; replace or remove it".into())
            );
        }
    };
    if format == ImageFormat::Tiff {
        check_directory(bytes)?;
    }
    let most = MOST_PIXELS.load(Ordering::Relaxed);
    let allowed = most.saturating_mul(BYTES_OF_A_PIXEL).saturating_add(1 << 20);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(allowed);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|error| damaged(format, &error))?;
    let (width, height) = decoder.dimensions();
    // A pixel of 32-bit floats takes more than the decoder may.
    if u64::from(width) * u64::from(height) > most || decoder.total_bytes() > allowed {
        return Err(format!(
            "has {width} x {height} pixels, more than the {most} of loader.max_pixels; make it smaller or raise that"
        ));
    }
    Ok((format, decoder))
}

/// In one line: what decoders say of broken data may have several, or quote the data.
fn damaged(format: ImageFormat, error: &image::ImageError) -> String {
    const MOST: usize = 160;
    let said: String = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let cut = said.char_indices().nth(MOST).map_or("", |_| "...");
    let said: String = said.chars().filter(|sign| !sign.is_control()).take(MOST).collect();
    format!("is a broken or truncated {} ({said}{cut}); download or copy it again", name(format))
}

fn name(format: ImageFormat) -> String {
    match format {
        ImageFormat::WebP => "WebP".into(),
        other => format!("{other:?}").to_uppercase(),
    }
}

/// True if the segments of a JPEG go on to its end-of-image marker.
///
/// The decoder fills what is missing with grey and says nothing. A search for the marker alone would find that of
/// a thumbnail in the header, so segments are stepped over by their length.
fn jpeg_is_complete(bytes: &[u8]) -> bool {
    const END: u8 = 0xd9;
    // Markers that stand alone: TEM, the restarts between parts of a scan, and start of image.
    let alone = |marker: u8| matches!(marker, 0x01 | 0xd0..=0xd8);
    let mut position = 0;
    while let Some((marker, after)) = next_marker(bytes, position) {
        position = match marker {
            END => return true,
            // Escaped data within a scan.
            0x00 => after,
            marker if alone(marker) => after,
            _ => {
                let Some(&[high, low]) = bytes.get(after..).and_then(|rest| rest.first_chunk()) else {
                    return false;
                };
                // Compressed data follows the header of a scan and is searched like what lies between segments.
                after + usize::from(u16::from_be_bytes([high, low]))
            }
        };
    }
    false
}

/// The next byte after one or more 0xff, and the position behind it.
fn next_marker(bytes: &[u8], from: usize) -> Option<(u8, usize)> {
    let start = from + memchr::memchr(0xff, bytes.get(from..)?)?;
    let marker = start + bytes[start..].iter().position(|byte| *byte != 0xff)?;
    Some((bytes[marker], marker + 1))
}
