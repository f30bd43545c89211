//! The region proposal network (Ren et al. 2015): which anchors hold an object, and how to fit them to it.

use crate::anchors::Anchors;
use crate::box_coding::BoxCoder;
use crate::boxes::Corners;
use crate::layers::{Block, Convolution, ConvolutionShape};
use crate::losses::{binary_cross_entropy, nothing, rows_of, smooth_l1};
use crate::matching::{Match, Matcher};
use crate::nms::non_maximum_suppression;
use crate::sampling::{Draws, Sampler};
use anyhow::Result;
use candle_core::Tensor;
use rayon::prelude::*;
use univip_core::nn::ops::Map;
use univip_core::nn::{Init, Mode, Scope};

/// Proposals of one map may overlap by so much.
const MOST_IOU: f32 = 0.7;
/// Proposals with a shorter side, in pixels, are dropped.
const LEAST_SIDE: f32 = 1e-3;
/// An anchor of an overlap of 0.7 with an object stands for it, one of less than 0.3 for nothing.
const MATCHER: Matcher = Matcher { object_from: 0.7, background_below: 0.3, keep_best: true };

/// The numbers of proposals per image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProposalLimits {
    /// The best so many of each map go to suppression.
    pub before: usize,
    /// The best so many of what it leaves are kept.
    pub after: usize,
}

/// A small network that slides over every map.
pub struct ProposalNetwork {
    convolution: Block,
    logits: Convolution,
    moves: Convolution,
    anchors: Anchors,
    sampler: Sampler,
    /// The distance at which the loss of boxes turns from quadratic to linear.
    beta: f64,
}

/// The predictions for each anchor.
pub struct AnchorPredictions {
    /// That it holds an object: `[B, N]`, before the sigmoid.
    pub logits: Tensor,
    /// The offsets and scales that fit it to an object: `[B, N, 4]`.
    pub moves: Tensor,
    /// The N anchors, map by map.
    pub anchors: Vec<Vec<Corners>>,
}

/// The computations on a batch that come before any region.
pub struct Seen {
    /// The maps that regions are taken from, finest first; a pyramid's coarsest is for proposals alone.
    pub maps: Vec<Tensor>,
    /// The predictions of the proposal network for each anchor.
    pub anchors: AnchorPredictions,
}

impl ProposalNetwork {
    /// For maps of `channels`. `sampled` anchors an image are trained on, half of them objects at most (the published
    /// number is 256); the loss of boxes is smooth up to `beta`. Parameters are named as torchvision's `RPNHead` names them.
    pub fn new(channels: usize, anchors: Anchors, sampled: usize, beta: f64, scope: &Scope) -> Result<Self> {
        let init = Init::Normal { std: 0.01 };
        let each = anchors.per_position();
        let shape = |outputs, kernel| ConvolutionShape { inputs: channels, outputs, kernel };
        Ok(Self {
            convolution: Block::new(shape(channels, 3), init, false, &scope.enter("conv").enter(0))?,
            logits: Convolution::new(shape(each, 1), init, &scope.enter("cls_logits"))?,
            moves: Convolution::new(shape(4 * each, 1), init, &scope.enter("bbox_pred"))?,
            anchors,
            sampler: Sampler { count: sampled, objects: 0.5 },
            beta,
        })
    }

    /// Of maps `[B, H_i, W_i, C]` over an input of `[height, width]` pixels.
    pub fn predict(&self, maps: &[Tensor], input: [usize; 2], mode: Mode) -> Result<AnchorPredictions> {
        let (mut logits, mut moves, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
        for map in maps {
            let (batch, height, width, _) = map.dims4()?;
            let hidden = self.convolution.relu(&Map::of(map)?, mode)?;
            logits.push(self.logits.forward(&hidden)?.tensor()?.reshape((batch, ()))?);
            moves.push(self.moves.forward(&hidden)?.tensor()?.reshape((batch, (), 4))?);
            sizes.push([height, width]);
        }
        let anchors = self.anchors.of_maps(&sizes, input);
        Ok(AnchorPredictions { logits: Tensor::cat(&logits, 1)?, moves: Tensor::cat(&moves, 1)?, anchors })
    }

    /// The loss of what anchors hold, and that of how they fit. `objects` has the boxes of each image.
    pub fn losses(
        &self,
        found: &AnchorPredictions,
        objects: &[Vec<Corners>],
        draws: &Draws,
    ) -> Result<[Tensor; 2]> {
        let anchors: Vec<Corners> = found.anchors.concat();
        let sampled: Vec<_> = (objects.par_iter().enumerate())
            .map(|(image, objects)| {
                let matches = MATCHER.matches(objects, &anchors);
                let sampled = self.sampler.sample(&matches, &mut draws.stream("anchors", image));
                (matches, sampled)
            })
            .collect();
        let (mut rows, mut targets, mut fitted, mut wanted) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (image, (matches, sampled)) in sampled.iter().enumerate() {
            let row = |index: &usize| (image * anchors.len() + index) as u32;
            for index in &sampled.objects {
                if let Match::Object(object) = matches[*index] {
                    wanted.push(BoxCoder::PROPOSALS.encode(objects[image][object], anchors[*index]));
                    fitted.push(row(index));
                }
            }
            rows.extend(sampled.objects.iter().chain(&sampled.background).map(row));
            targets.extend(sampled.objects.iter().map(|_| 1f32));
            targets.resize(rows.len(), 0.0);
        }
        let device = found.logits.device();
        let count = rows.len() as f64;
        let logits = found.logits.flatten_all()?.index_select(&Tensor::new(rows, device)?, 0)?;
        let holds = binary_cross_entropy(&logits, &Tensor::new(targets, device)?)?;
        let fits = match fitted.is_empty() {
            true => nothing(&found.moves)?,
            false => {
                let moves = found.moves.reshape(((), 4))?.index_select(&Tensor::new(fitted, device)?, 0)?;
                (smooth_l1(&moves, &rows_of(wanted, device)?, self.beta)? / count)?
            }
        };
        Ok([holds, fits])
    }
}

impl AnchorPredictions {
    /// The proposals of each image, best first; `sizes` are the images' `[height, width]` within the input.
    pub fn proposals(&self, sizes: &[[usize; 2]], limits: ProposalLimits) -> Result<Vec<Vec<Corners>>> {
        let logits = self.logits.detach().to_vec2::<f32>()?;
        let moves = self.moves.detach().to_vec3::<f32>()?;
        let of_image = |logits: &[f32], moves: &[Vec<f32>], size: &[usize; 2]| {
            let (mut boxes, mut scores, mut maps) = (Vec::new(), Vec::new(), Vec::new());
            let mut first = 0;
            for (map, anchors) in self.anchors.iter().enumerate() {
                for index in best(&logits[first..first + anchors.len()], limits.before) {
                    let at = first + index;
                    let moves = [0, 1, 2, 3].map(|axis| moves[at][axis]);
                    let corners = BoxCoder::PROPOSALS.decode(moves, anchors[index]).clipped(*size);
                    if corners.width() >= LEAST_SIDE && corners.height() >= LEAST_SIDE {
                        boxes.push(corners);
                        scores.push(logits[at]);
                        maps.push(map);
                    }
                }
                first += anchors.len();
            }
            let mut kept = non_maximum_suppression(&boxes, &scores, &maps, MOST_IOU);
            kept.truncate(limits.after);
            kept.into_iter().map(|index| boxes[index]).collect()
        };
        let images = logits.par_iter().zip(&moves).zip(sizes);
        Ok(images.map(|((logits, moves), size)| of_image(logits, moves, size)).collect())
    }
}

/// The indices of the largest values, largest first.
fn best(values: &[f32], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|one, other| values[*other].total_cmp(&values[*one]));
    order.truncate(count);
    order
}
