//! The ways in which COCO's files write a mask.

use super::rle::Rle;
use crate::geometry::Size;
use anyhow::{Result, ensure};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

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

impl Segmentation {
    /// The mask in an image of `size`, and what is wrong with polygons that had to be passed over. No mask where
    /// there is no polygon, or none that is whole.
    ///
    /// # Errors
    /// When run lengths are broken, or of an image of another size.
    pub fn mask(&self, image: Size) -> Result<(Option<Rle>, Vec<anyhow::Error>)> {
        match self {
            Segmentation::Polygons(polygons) => {
                let (mut union, mut problems): (Option<Rle>, _) = (None, Vec::new());
                for polygon in polygons {
                    match Rle::from_polygons(image, [polygon.as_slice()]) {
                        Ok(drawn) => union = Some(union.map_or(Ok(drawn.clone()), |all| all.union(&drawn))?),
                        Err(problem) => problems.push(problem),
                    }
                }
                Ok((union, problems))
            }
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
                Ok((Some(mask?), Vec::new()))
            }
        }
    }
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
        let [height, width] = size.ok_or_else(|| A::Error::missing_field("size"))?;
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
        while let Some(count) = sequence.next_element()? {
            counts.push(count);
        }
        Ok(Counts::Plain(counts))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Counts, E> {
        Ok(Counts::Compressed(text.into()))
    }
}
