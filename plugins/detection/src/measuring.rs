//! What a detector finds in a dataset, and what that is worth.

use crate::detections::{Detection, paste};
use crate::detector::Detector;
use crate::inputs::{Input, Inputs, batch};
use crate::mask_head::MASK_SIDE;
use anyhow::{Result, ensure};
use candle_core::Device;
use rayon::prelude::*;
use univip_core::geometry::{BoundingBox, Size};
use univip_core::metrics;
use univip_core::metrics::IouType;
use univip_core::metrics::coco::{Parameters, Summary, evaluate};
use univip_core::metrics::rle::Rle;

/// Images a forward pass: what is found in one does not depend on the others.
const BATCH: usize = 8;

/// COCO's numbers for `bbox` and, where the detector predicts masks, for `mask`. `progress` hears how many images are
/// done.
///
/// # Errors
/// When no image has an annotated object to find, or one cannot be read.
pub fn measure(
    detector: &dyn Detector,
    inputs: &Inputs<'_>,
    side: u32,
    device: &Device,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<(&'static str, Summary)>> {
    let dataset = inputs.dataset;
    let indices: Vec<usize> = (0..dataset.len()).collect();
    let (mut truth, mut found) = (Vec::new(), Vec::new());
    for chunk in indices.chunks(BATCH) {
        let drawn: Vec<Input> =
            chunk.par_iter().map(|index| inputs.plain(*index, side)).collect::<Result<_>>()?;
        let detections = detector.detect(&batch(&drawn, device)?)?;
        for ((index, input), detections) in chunk.iter().zip(&drawn).zip(detections) {
            let full = dataset.size(*index)?;
            let outcomes: Vec<metrics::Detection> = (detections.into_par_iter())
                .map(|detection| outcome(detection, *index, input.size, full))
                .collect::<Result<_>>()?;
            found.extend(outcomes);
            truth.extend(dataset.ground_truth(*index)?);
        }
        progress(chunk.last().map_or(0, |last| *last as u64 + 1));
    }
    ensure!(
        !truth.is_empty(),
        "none of the {} images to measure detection on has an annotated object",
        dataset.len()
    );
    let summary = |kind| -> Result<Summary> {
        Ok(evaluate(&truth, &found, kind, dataset.classes().len(), &Parameters::default())?.summary)
    };
    let mut measured = vec![("bbox", summary(IouType::BoundingBox)?)];
    if inputs.masks {
        measured.push(("mask", summary(IouType::Segmentation)?));
    }
    Ok(measured)
}

/// A detection in pixels of the dataset's image, of which the detector saw `[height, width]`.
fn outcome(detection: Detection, image: usize, seen: [usize; 2], full: Size) -> Result<metrics::Detection> {
    let [x, y] = [full.width as f32 / seen[1] as f32, full.height as f32 / seen[0] as f32];
    let corners = detection.corners.scaled(x, y);
    let mask = match &detection.mask {
        None => None,
        Some(mask) => {
            let bitmap = paste(mask, MASK_SIDE, corners, [full.height as usize, full.width as usize]);
            let inside = |x: u32, y: u32| bitmap.pixels[y as usize * bitmap.size[1] + x as usize];
            Some(Rle::draw(full, BoundingBox::whole(full), inside)?)
        }
    };
    let [left, top, right, bottom] = corners.array().map(f64::from);
    Ok(metrics::Detection {
        image: image as u64,
        class: detection.class,
        bounding_box: [left, top, right - left, bottom - top],
        score: f64::from(detection.score),
        mask,
    })
}
