//! From what the box head says of an image's regions to its detections.

use crate::box_coding::BoxCoder;
use crate::box_head::RegionPredictions;
use crate::boxes::Corners;
use crate::nms::non_maximum_suppression;
use crate::roi_align::Region;
use anyhow::Result;
use candle_core::D;
use rayon::prelude::*;

/// Detections of one class may overlap by so much.
const MOST_IOU: f32 = 0.5;
/// Detections with a shorter side, in pixels, are dropped.
const LEAST_SIDE: f32 = 1e-2;
/// Detections with a lower score are dropped.
pub const LEAST_SCORE: f32 = 0.05;
/// Detections an image at most.
pub const MOST: usize = 100;

/// An object as it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// Its box, in pixels of the network's input.
    pub corners: Corners,
    /// Its class, from 0.
    pub class: usize,
    /// The score, 0 to 1.
    pub score: f32,
    /// The probability that each cell of the box is the object's, row by row, as many rows as columns, where masks are
    /// predicted.
    pub mask: Option<Vec<f32>>,
}

/// The detections of each image, best first, without masks; `sizes` are the images' `[height, width]`.
pub fn detections(
    found: &RegionPredictions,
    regions: &[Region],
    sizes: &[[usize; 2]],
) -> Result<Vec<Vec<Detection>>> {
    let scores = candle_nn::ops::softmax(&found.logits, D::Minus1)?.to_vec2::<f32>()?;
    let moves = found.moves.to_vec3::<f32>()?;
    let of_image = |(image, size): (usize, &[usize; 2])| {
        let mut all = Vec::new();
        for (row, region) in regions.iter().enumerate().filter(|(_, region)| region.image == image) {
            for (class, (score, moves)) in scores[row].iter().zip(&moves[row]).skip(1).enumerate() {
                let moves = [0, 1, 2, 3].map(|axis| moves[axis]);
                let corners = BoxCoder::REGIONS.decode(moves, region.corners).clipped(*size);
                let large = corners.width() >= LEAST_SIDE && corners.height() >= LEAST_SIDE;
                if *score > LEAST_SCORE && large {
                    all.push(Detection { corners, class, score: *score, mask: None });
                }
            }
        }
        best(all, MOST_IOU)
    };
    Ok(sizes.par_iter().enumerate().map(of_image).collect())
}

/// The best detections that no better one of their class overlaps by more than `most_iou`, at most [`MOST`].
pub fn best(all: Vec<Detection>, most_iou: f32) -> Vec<Detection> {
    let boxes: Vec<Corners> = all.iter().map(|found| found.corners).collect();
    let scores: Vec<f32> = all.iter().map(|found| found.score).collect();
    let classes: Vec<usize> = all.iter().map(|found| found.class).collect();
    let kept = non_maximum_suppression(&boxes, &scores, &classes, most_iou);
    kept.into_iter().take(MOST).map(|index| all[index].clone()).collect()
}
