//! COCO's annotation file, as far as it is needed.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// The needed fields; the others, polygons above all, are skipped while the file is streamed.
#[derive(Debug, Deserialize)]
pub(crate) struct AnnotationFile {
    pub images: Vec<ListedImage>,
    #[serde(default)]
    pub annotations: Vec<Object>,
    #[serde(default)]
    pub categories: Vec<Category>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ListedImage {
    pub id: u64,
    pub file_name: String,
    pub width: u32,
    pub height: u32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Object {
    pub id: u64,
    pub image_id: u64,
    pub category_id: u64,
    /// Left, top, width, height, in fractions of a pixel.
    pub bbox: [f64; 4],
    #[serde(default)]
    pub iscrowd: u8,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Category {
    pub id: u64,
    pub name: String,
}

impl AnnotationFile {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| {
            format!("coco: cannot open {}; check `root`, or name a part without annotations", path.display())
        })?;
        serde_json::from_reader(BufReader::with_capacity(1 << 20, file))
            .with_context(|| format!("coco: {} is not a COCO annotation file", path.display()))
    }
}
