//! The ways in which COCO's files write a mask.

use super::numbers::Whole;
use super::polygon::FARTHEST;
use super::rle::Rle;
use crate::geometry::Size;
use anyhow::{Result, ensure};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;
use univip_stdx::tally::Tally;

/// The `segmentation` of an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Segmentation {
    /// `[[x, y, x, y, ...], ...]`: what is in any of the polygons.
    Polygons(Vec<Vec<f64>>),
    /// `{"size": [height, width], "counts": [...]}` or, compressed, `"counts": "..."`.
    Runs {
        /// Of the image.
        size: Size,
        /// The lengths of the runs.
        counts: Counts,
    },
}

/// The lengths of a mask's runs, as they are written.
#[derive(Debug, Clone, PartialEq)]
pub enum Counts {
    /// As numbers.
    Plain(Vec<u32>),
    /// As COCO's compressed string.
    Compressed(String),
}

/// A mask as it was drawn.
#[derive(Debug, Default)]
pub struct Drawn {
    /// None where there was nothing to draw: no polygon, only empty ones, or only those that were skipped.
    pub mask: Option<Rle>,
    /// The problems found.
    pub oddities: Vec<Oddity>,
}

/// A problem with a polygon whose object can still be measured.
#[derive(Debug, Clone, PartialEq)]
pub enum Oddity {
    /// It was skipped, for this reason.
    PassedOver(String),
    /// It has so many numbers, the last of which is half a point. It was drawn without, as by pycocotools.
    HalfPoint(usize),
}

impl Oddity {
    /// Counts it as something of the object that `named` says.
    pub fn count(&self, tally: &mut Tally, named: impl Fn() -> String) {
        match self {
            Oddity::PassedOver(reason) => {
                tally.add("polygon[ is|s are] skipped", || format!("{}: {reason}", named()));
            }
            Oddity::HalfPoint(numbers) => {
                let kind = "polygon[ ends|s end] with half a point, which is left out";
                tally.add(kind, || format!("{} with {numbers} numbers", named()));
            }
        }
    }
}

impl Segmentation {
    /// The mask in an image of `size`. Polygons of fewer than three points are skipped.
    ///
    /// # Errors
    /// When run lengths are broken or of an image of another size, and for a coordinate that is no number.
    pub fn mask(&self, image: Size) -> Result<Drawn> {
        match self {
            Segmentation::Polygons(polygons) => draw(polygons, image),
            Segmentation::Runs { size, counts } => {
                ensure!(
                    *size == image,
                    "its mask is of an image of {} x {} pixels, and the image has {} x {}",
                    size.width,
                    size.height,
                    image.width,
                    image.height
                );
                let mask = match counts {
                    Counts::Plain(counts) => Rle::new(image, counts),
                    Counts::Compressed(text) => Rle::from_compressed(image, text),
                };
                Ok(Drawn { mask: Some(mask?), oddities: Vec::new() })
            }
        }
    }
}

fn draw(polygons: &[Vec<f64>], image: Size) -> Result<Drawn> {
    let mut drawn = Drawn::default();
    if polygons.iter().all(Vec::is_empty) {
        return Ok(drawn);
    }
    let mut whole: Vec<&[f64]> = Vec::with_capacity(polygons.len());
    for polygon in polygons {
        let points = &polygon[..polygon.len() / 2 * 2];
        if points.len() < 6 {
            let reason = format!("a polygon has {} points; expected at least three", points.len() / 2);
            drawn.oddities.push(Oddity::PassedOver(reason));
            continue;
        }
        if let Some(far) = points.iter().find(|coordinate| coordinate.abs() > FARTHEST) {
            let reason = format!("a polygon has the coordinate {far}; expected pixels");
            drawn.oddities.push(Oddity::PassedOver(reason));
            continue;
        }
        if points.len() < polygon.len() {
            drawn.oddities.push(Oddity::HalfPoint(polygon.len()));
        }
        whole.push(points);
    }
    if !whole.is_empty() {
        drawn.mask = Some(Rle::from_polygons(image, whole)?);
    }
    Ok(drawn)
}

impl<'de> Deserialize<'de> for Segmentation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SegmentationVisitor)
    }
}

struct SegmentationVisitor;

impl<'de> Visitor<'de> for SegmentationVisitor {
    type Value = Segmentation;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("polygons [[x, y, ...], ...] or run lengths {\"size\", \"counts\"}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Segmentation, A::Error> {
        let mut polygons = Vec::new();
        while let Some(polygon) = sequence.next_element()? {
            polygons.push(polygon);
        }
        Ok(Segmentation::Polygons(polygons))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Segmentation, A::Error> {
        let (mut size, mut counts) = (None, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "size" => size = Some(map.next_value()?),
                "counts" => counts = Some(map.next_value()?),
                _ => drop(map.next_value::<serde::de::IgnoredAny>()?),
            }
        }
        let [Whole(height), Whole(width)] = size.ok_or_else(|| A::Error::missing_field("size"))?;
        let counts = counts.ok_or_else(|| A::Error::missing_field("counts"))?;
        Ok(Segmentation::Runs { size: Size { width, height }, counts })
    }
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountsVisitor)
    }
}

struct CountsVisitor;

impl<'de> Visitor<'de> for CountsVisitor {
    type Value = Counts;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a list of numbers or COCO's compressed string")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Counts, A::Error> {
        let mut counts = Vec::new();
        while let Some(Whole(count)) = sequence.next_element()? {
            counts.push(count);
        }
        Ok(Counts::Plain(counts))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Counts, E> {
        Ok(Counts::Compressed(text.into()))
    }
}
