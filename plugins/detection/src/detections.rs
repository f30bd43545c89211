//! From what the box head says of an image's regions to its detections.

use crate::box_coding::BoxCoder;
use crate::box_head::RegionPredictions;
use crate::boxes::Corners;
use crate::nms::non_maximum_suppression;
use crate::objects::Bitmap;
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
    /// How certain it is, 0 to 1.
    pub score: f32,
    /// The probability that each of 28 x 28 cells of the box is the object's, where masks are predicted.
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

/// A mask of `side` x `side` probabilities drawn into its box in an image of `[height, width]` pixels: the pixels
/// whose probability is above 0.5, as torchvision's `paste_masks_in_image`.
pub fn paste(mask: &[f32], side: usize, corners: Corners, [height, width]: [usize; 2]) -> Bitmap {
    // With a border of zeros around it, so that the mask fades out beyond its outermost cells.
    let padded = side + 2;
    let at = |row: usize, column: usize| {
        let inside = (1..=side).contains(&row) && (1..=side).contains(&column);
        if inside { mask[(row - 1) * side + column - 1] } else { 0.0 }
    };
    let grown = |from: f32, to: f32| {
        let (centre, half) = ((from + to) * 0.5, (to - from) * 0.5 * (padded as f32 / side as f32));
        ((centre - half) as i64, (centre + half) as i64)
    };
    let (left, right) = grown(corners.left, corners.right);
    let (top, bottom) = grown(corners.top, corners.bottom);
    let (columns, rows) = ((right - left + 1).max(1), (bottom - top + 1).max(1));
    // The two cells around a pixel, and the second one's part.
    let between = |pixel: i64, pixels: i64| {
        let place = ((pixel as f32 + 0.5) * (padded as f32 / pixels as f32) - 0.5).max(0.0);
        let low = (place as usize).min(padded - 1);
        (low, (low + 1).min(padded - 1), place - low as f32)
    };
    let mut pixels = vec![false; height * width];
    for y in top.max(0)..(bottom + 1).min(height as i64) {
        let (upper, lower, down) = between(y - top, rows);
        for x in left.max(0)..(right + 1).min(width as i64) {
            let (near, far, across) = between(x - left, columns);
            let line = |row: usize| at(row, near) * (1.0 - across) + at(row, far) * across;
            let probability = line(upper) * (1.0 - down) + line(lower) * down;
            pixels[y as usize * width + x as usize] = probability > 0.5;
        }
    }
    Bitmap { size: [height, width], pixels }
}
