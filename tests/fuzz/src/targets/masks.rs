//! Masks: polygons and run lengths.

use super::{Bound, Opened, Target};
use crate::mutate::Dialect;
use anyhow::Result;
use univip_core::geometry::Size;
use univip_core::metrics::rle::Rle;
use univip_core::metrics::segmentation::Segmentation;

/// `segmentation` in any of its three forms.
pub const MASKS: Target = Target {
    name: "masks",
    summary: "a mask of COCO: polygons, run lengths, compressed run lengths",
    dialect: Dialect::Text,
    bound: Bound { bytes: 1 << 20, per_byte: 400 },
    place: "mask.json",
    fixtures: &[],
    prepare: |_| {
        Ok(Opened::new(|_, input| {
            let segmentation: Segmentation = serde_json::from_slice(input)?;
            segmentation.mask(SIZE)?.mask.iter().try_for_each(use_all_of)
        }))
    },
    planted: false,
};

/// The compressed string alone.
pub const RUN_LENGTHS: Target = Target {
    name: "run-lengths",
    summary: "COCO's compressed run lengths",
    dialect: Dialect::Bytes,
    bound: Bound { bytes: 1 << 20, per_byte: 400 },
    place: "counts",
    fixtures: &[],
    prepare: |_| {
        Ok(Opened::new(|_, input| {
            let mask = Rle::from_compressed(SIZE, std::str::from_utf8(input)?)?;
            use_all_of(&mask)
        }))
    },
    planted: false,
};

const SIZE: Size = Size { width: 40, height: 24 };

/// Calls everything that masks are used for, and checks that a written mask is read back as it was.
fn use_all_of(mask: &Rle) -> Result<()> {
    let pixels = mask.decode();
    assert_eq!(
        mask.area(),
        pixels.iter().map(|&pixel| u64::from(pixel)).sum::<u64>(),
        "its area is not its pixels'"
    );
    assert_eq!(mask.bounding_box().is_some(), mask.area() > 0, "its box does not agree with its area");
    assert_eq!(mask.union(mask)?.decode(), pixels, "its union with itself is another mask");
    assert_eq!(mask.intersection(mask)?, mask.area(), "its intersection with itself is another mask");
    let again = Rle::from_compressed(mask.size(), &mask.compressed())?;
    assert_eq!(again.counts(), mask.counts(), "it is another mask once it was written");
    Ok(())
}
