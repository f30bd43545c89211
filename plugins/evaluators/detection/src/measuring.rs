//! Runs a detector over a dataset and measures its average precision.

use crate::convention::Convention;
use crate::detections::Detection;
use crate::detector::Detector;
use crate::inputs::{Input, Inputs, batch};
use crate::pasting::paste;
use crate::protocol::{Measure, Protocol};
use anyhow::{Result, ensure};
use candle_core::Device;
use rayon::prelude::*;
use std::collections::BTreeSet;
use univip_core::error::NotApplicable;
use univip_core::geometry::{BoundingBox, Size};
use univip_core::metrics;
use univip_core::metrics::coco::{self, Parameters, Summary};
use univip_core::metrics::rle::Rle;
use univip_core::metrics::voc;
use univip_core::metrics::{GroundTruth, IouType};

/// Images a forward pass: what is found in one does not depend on the others.
const BATCH: usize = 8;

/// A number of a detector by its name, `bbox_ap` or `mask_ap50`, in percent.
pub type Number = (String, f64);

/// Checks that a dataset has objects to find, before a detector is trained.
///
/// # Errors
/// [`NotApplicable`] when no image has an object that is asked for, or an annotation cannot be read.
pub fn applicable(inputs: &Inputs<'_>) -> Result<()> {
    let images = inputs.dataset.len();
    for index in 0..images {
        if inputs.ground_truth(index)?.iter().any(|object| !object.crowd && !object.ignore) {
            return Ok(());
        }
    }
    let problem = format!(
        "none of the {images} images to measure detection on has an annotated object: set data.use to a dataset with \
         annotations, or leave `detection` out of evaluators.use"
    );
    Err(NotApplicable(problem).into())
}

/// The dataset that was measured on.
pub struct Measured {
    /// By name.
    pub numbers: Vec<Number>,
    /// The images that they are of: those that could be read.
    pub images: usize,
}

/// The average precisions `ap`, `ap50`, `ap75` and, of COCO, those by size, for `bbox` and, where the detector predicts
/// masks, for `mask`; without those for which there is nothing to measure. Masks are measured on the images all of whose
/// objects have one: `mask_images` is how many these are, where others were skipped. `progress` hears how many images
/// are done.
///
/// # Errors
/// When an image is broken and `loader.broken` is `fail`, or all of them are.
pub fn measure(
    detector: &dyn Detector,
    inputs: &Inputs<'_>,
    protocol: &Protocol,
    device: &Device,
    progress: &mut dyn FnMut(u64),
) -> Result<Measured> {
    let dataset = inputs.dataset;
    let indices: Vec<usize> = (0..dataset.len()).collect();
    let (mut truth, mut found, mut images) = (Vec::new(), Vec::new(), 0);
    for chunk in indices.chunks(BATCH) {
        let drawn: Vec<Option<Input>> =
            chunk.par_iter().map(|index| inputs.plain(*index, protocol.side)).collect::<Result<_>>()?;
        progress(chunk.last().map_or(0, |last| *last as u64 + 1));
        let (readable, drawn): (Vec<usize>, Vec<Input>) =
            chunk.iter().zip(drawn).filter_map(|(index, input)| Some((*index, input?))).unzip();
        if readable.is_empty() {
            continue;
        }
        images += readable.len();
        let detections = detector.detect(&batch(&drawn, device)?)?;
        for ((index, input), detections) in readable.into_iter().zip(&drawn).zip(detections) {
            let full = dataset.size(index)?;
            let outcomes: Vec<metrics::Detection> = (detections.into_par_iter())
                .map(|detection| outcome(detection, index, input.size, full, protocol.convention))
                .collect::<Result<_>>()?;
            found.extend(outcomes);
            truth.extend(inputs.ground_truth(index)?);
        }
    }
    ensure!(images > 0, "not one of {} images to measure detection on can be read", dataset.len());
    let classes = dataset.classes().len();
    if protocol.measure == Measure::Voc {
        let measured = voc::evaluate(&truth, &found, classes, voc::Interpolation::ElevenPoint)?;
        let numbers = [("ap", measured.ap), ("ap50", measured.ap50), ("ap75", measured.ap75)];
        return Ok(Measured { numbers: named("bbox", &numbers), images });
    }
    let summary = |truth: &[GroundTruth], found: &[metrics::Detection], kind| -> Result<Summary> {
        Ok(coco::evaluate(truth, found, kind, classes, &Parameters::default())?.summary)
    };
    let mut measured = named("bbox", &precisions(&summary(&truth, &found, IouType::BoundingBox)?));
    if inputs.masks {
        let without: BTreeSet<u64> =
            truth.iter().filter(|object| object.mask.is_none()).map(|object| object.image).collect();
        truth.retain(|object| !without.contains(&object.image));
        found.retain(|found| !without.contains(&found.image));
        measured.extend(named("mask", &precisions(&summary(&truth, &found, IouType::Segmentation)?)));
        if !without.is_empty() {
            measured.push((MASK_IMAGES.into(), (images - without.len()) as f64));
        }
    }
    Ok(Measured { numbers: measured, images })
}

/// An average precision: its name, and where it stands.
type Precision = (&'static str, fn(&Summary) -> f64);

/// COCO's average precisions. VOC's have the names of the first three.
const PRECISIONS: [Precision; 6] = [
    ("ap", |summary| summary.ap),
    ("ap50", |summary| summary.ap50),
    ("ap75", |summary| summary.ap75),
    ("ap_small", |summary| summary.ap_small),
    ("ap_medium", |summary| summary.ap_medium),
    ("ap_large", |summary| summary.ap_large),
];

/// The number of images that masks are measured on, where it is not all of them.
const MASK_IMAGES: &str = "mask_images";

/// The names of all that [`measure`] may give.
pub fn names() -> Vec<String> {
    let of = |kind: &str| PRECISIONS.map(|(name, _)| format!("{kind}_{name}"));
    of("bbox").into_iter().chain(of("mask")).chain([MASK_IMAGES.into()]).collect()
}

fn named(kind: &str, numbers: &[(&str, f64)]) -> Vec<Number> {
    let there = numbers.iter().filter(|(_, value)| *value >= 0.0);
    there.map(|(name, value)| (format!("{kind}_{name}"), 100.0 * value)).collect()
}

/// By name, from 0 to 1; -1 where there is nothing to measure.
fn precisions(summary: &Summary) -> [(&'static str, f64); 6] {
    PRECISIONS.map(|(name, value)| (name, value(summary)))
}

/// A detection in pixels of the dataset's image, of which the detector saw `[height, width]`.
fn outcome(
    detection: Detection,
    image: usize,
    seen: [usize; 2],
    full: Size,
    convention: Convention,
) -> Result<metrics::Detection> {
    let [x, y] = [full.width as f32 / seen[1] as f32, full.height as f32 / seen[0] as f32];
    let corners = detection.corners.scaled(x, y);
    let mask = match &detection.mask {
        None => None,
        Some(mask) => {
            let bitmap = paste(mask, corners, [full.height as usize, full.width as usize], convention);
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
