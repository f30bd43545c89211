//! Refuses input that cannot be measured, with the number of offending entries.

use super::{Detection, GroundTruth};
use anyhow::{Result, ensure};
use std::collections::HashMap;
use univip_stdx::refusal::refuse_any;

/// Refuses classes that are not below `classes`, and boxes, areas and scores that are no numbers.
pub(super) fn numbers(truth: &[GroundTruth], detections: &[Detection], classes: usize) -> Result<()> {
    let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
    let outside = format!("[is|are] of a class that is not below {classes}");
    objects(truth, &outside, |one| one.class >= classes)?;
    objects(truth, "[has|have] a box or an area that is no number", |one| {
        !finite(&one.bounding_box) || !one.area.is_finite()
    })?;
    found(detections, &outside, |one| one.class >= classes)?;
    found(detections, "[has|have] a box or a score that is no number", |one| {
        !finite(&one.bounding_box) || !one.score.is_finite()
    })
}

/// Refuses whatever has no mask, and masks of one image that differ in size.
pub(super) fn masks(truth: &[GroundTruth], detections: &[Detection]) -> Result<()> {
    objects(truth, "[has|have] no mask", |one| one.mask.is_none())?;
    found(detections, "[has|have] no mask", |one| one.mask.is_none())?;
    let masks = truth.iter().map(|one| (one.image, &one.mask));
    let masks = masks.chain(detections.iter().map(|one| (one.image, &one.mask)));
    let mut sizes = HashMap::new();
    for (image, mask) in masks {
        let Some(size) = mask.as_ref().map(|mask| mask.size()) else { continue };
        let first = *sizes.entry(image).or_insert(size);
        ensure!(
            first == size,
            "image {image} has a mask of {} x {} pixels and one of {} x {}; masks must have the size of the image",
            first.width,
            first.height,
            size.width,
            size.height
        );
    }
    Ok(())
}

fn objects(truth: &[GroundTruth], problem: &str, has: impl Fn(&GroundTruth) -> bool) -> Result<()> {
    let bad = truth.iter().filter(|one| has(one)).map(|one| named(one.image));
    refuse_any(&format!("annotated objects {problem}"), truth.len(), bad)
}

fn found(detections: &[Detection], problem: &str, has: impl Fn(&Detection) -> bool) -> Result<()> {
    let bad = detections.iter().filter(|one| has(one)).map(|one| named(one.image));
    refuse_any(&format!("detections {problem}"), detections.len(), bad)
}

fn named(image: u64) -> String {
    format!("in image {image}")
}
