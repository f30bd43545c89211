//! Boxes, masks and the metrics of detection: what needs no tensor.

pub mod corners;
pub mod geometry;
pub mod metrics;
pub mod whole_pixels;
