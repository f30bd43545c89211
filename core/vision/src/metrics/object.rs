//! An object of an annotation file.

use serde::Deserialize;

/// An object of an annotation file.
#[derive(Debug, Deserialize)]
#[allow(missing_docs, reason = "COCO's names")]
pub struct Object<M> {
    pub id: u64,
    pub image_id: u64,
    pub category_id: u64,
    /// Left, top, width, height, in fractions of a pixel.
    pub bbox: [f64; 4],
    /// Of the mask.
    pub area: Option<f64>,
    #[serde(default)]
    pub iscrowd: u8,
    #[serde(default = "Option::default")]
    pub segmentation: Option<M>,
}
