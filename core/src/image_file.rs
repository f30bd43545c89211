//! Image files: JPEG and PNG of every kind, as upright 8-bit RGB.
//!
//! As with torchvision's `convert("RGB")`, transparency is dropped and grey becomes three equal channels;
//! 16-bit levels are scaled to 8. The format is told by the content, whatever the file's name. An orientation
//! in EXIF is applied, so that boxes and pixels agree with what a viewer shows.

use crate::error::ImageError;
use crate::geometry::Size;
use anyhow::Result;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use std::io::{Cursor, ErrorKind};
use std::path::Path;

/// Reads an image.
///
/// # Errors
/// [`ImageError`] when the file is missing, is neither JPEG nor PNG, is truncated or is broken.
pub fn read(path: &Path) -> Result<RgbImage> {
    decode(&bytes(path)?).map_err(|problem| broken(path, problem).into())
}

/// The size of what [`read`] returns, without decoding pixels.
///
/// # Errors
/// [`ImageError`] as [`read`], but for damage after the file's header.
pub fn size(path: &Path) -> Result<Size> {
    upright_size(&bytes(path)?).map_err(|problem| broken(path, problem).into())
}

/// As [`size`], of a file's bytes; none where they are no such image.
pub fn size_of(bytes: &[u8]) -> Option<Size> {
    upright_size(bytes).ok()
}

fn bytes(path: &Path) -> Result<Vec<u8>, ImageError> {
    let bytes = std::fs::read(path).map_err(|error| {
        let problem = match error.kind() {
            ErrorKind::NotFound => {
                "there is no such file; check the dataset's root and its annotations".into()
            }
            _ => format!("cannot be read: {error}"),
        };
        broken(path, problem)
    })?;
    if bytes.is_empty() {
        return Err(broken(path, "is empty (0 bytes); download or copy it again".into()));
    }
    Ok(bytes)
}

fn broken(path: &Path, problem: String) -> ImageError {
    ImageError { path: path.into(), problem }
}

fn decode(bytes: &[u8]) -> Result<RgbImage, String> {
    let (format, mut decoder) = decoder(bytes)?;
    if format == ImageFormat::Jpeg && !jpeg_is_complete(bytes) {
        return Err(format!(
            "is a truncated JPEG: its {} bytes end before the image does; download or copy it again",
            bytes.len()
        ));
    }
    // Memory follows what the header claims.
    let (width, height) = decoder.dimensions();
    Limits::default().reserve(decoder.total_bytes()).map_err(|_| {
        format!("claims {width} x {height} pixels, more than 512 MiB; replace it or make it smaller")
    })?;
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

fn decoder(bytes: &[u8]) -> Result<(ImageFormat, impl ImageDecoder + '_), String> {
    let format = match image::guess_format(bytes) {
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png)) => format,
        Ok(other) => return Err(format!("is {other:?}, not JPEG or PNG; convert it")),
        Err(_) => return Err("is neither JPEG nor PNG; replace or remove it".into()),
    };
    let reader = ImageReader::with_format(Cursor::new(bytes), format);
    let decoder = reader.into_decoder().map_err(|error| damaged(format, &error))?;
    Ok((format, decoder))
}

fn damaged(format: ImageFormat, error: &image::ImageError) -> String {
    let name = if format == ImageFormat::Jpeg { "JPEG" } else { "PNG" };
    format!("is a broken or truncated {name} ({error}); download or copy it again")
}

/// Whether the segments of a JPEG go on to its end-of-image marker.
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
