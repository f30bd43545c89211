//! RetinaNet (Lin et al. 2017, "Focal loss"): every anchor is classified, without proposals or regions.

use crate::anchors::{Anchors, RATIOS};
use crate::backbone::of_four_stages;
use crate::box_coding::BoxCoder;
use crate::boxes::Corners;
use crate::design::Design;
use crate::detections::{Detection, LEAST_SCORE, best};
use crate::detector::{Detector, Images, Losses};
use crate::layers::{Convolution, ConvolutionShape};
use crate::losses::{absolute, focal, nothing, rows_of};
use crate::matching::{Match, Matcher};
use crate::objects::Object;
use crate::pyramid::Pyramid;
use crate::sampling::Draws;
use anyhow::Result;
use candle_core::Tensor;
use rayon::prelude::*;
use univip_core::nn::ops::Map;
use univip_core::nn::{Backbone, Init, Mode, Scope};

/// An anchor of an overlap of half with an object stands for it, one of less than 0.4 for nothing.
const MATCHER: Matcher = Matcher { object_from: 0.5, background_below: 0.4, keep_best: true };
/// Detections of one class may overlap by so much.
const MOST_IOU: f32 = 0.5;
/// The best so many pairs of anchor and class of each map go to suppression.
const CANDIDATES: usize = 1000;
/// The initial probability of every class: most anchors hold nothing.
const PRIOR: f32 = 0.01;

/// The detector.
pub struct RetinaNet {
    body: Box<dyn Backbone>,
    pyramid: Pyramid,
    classes: Subnet,
    moves: Subnet,
    anchors: Anchors,
    design: Design,
}

/// Four convolutions and a last one, the same on every map.
struct Subnet {
    convolutions: Vec<Convolution>,
    last: Convolution,
}

/// The predictions for each anchor.
struct Predictions {
    /// `[B, N, C]`, before the sigmoid.
    logits: Tensor,
    /// `[B, N, 4]`.
    moves: Tensor,
    /// Map by map.
    anchors: Vec<Vec<Corners>>,
}

impl RetinaNet {
    /// Around a backbone, whose parameters may be trained with the rest, with a pyramid of `channels`. Of the design only the
    /// classes and the batch norm are looked at, and that not in the heads: they see five maps, whose statistics differ.
    /// Parameters are named as torchvision's `RetinaNet` names them.
    pub fn new(body: Box<dyn Backbone>, channels: usize, design: Design, scope: &Scope) -> Result<Self> {
        let [_, inputs @ ..] = of_four_stages(&*body)?;
        let size = |map: i32, third: i32| (2f32.powi(5 + map) * 2f32.powf(third as f32 / 3.0)).floor();
        let sizes: Vec<Vec<f32>> = (0..5).map(|map| (0..3).map(|third| size(map, third)).collect()).collect();
        let anchors = Anchors::new(&sizes, &RATIOS, true);
        let each = anchors.per_position();
        let head = scope.enter("head");
        let classes = design.classes;
        let prior = -((1.0 - PRIOR) / PRIOR).ln();
        let class_scope = head.enter("classification_head");
        let move_scope = head.enter("regression_head");
        Ok(Self {
            pyramid: Pyramid::with_strided_top(&inputs, channels, design.norm, &scope.enter("fpn"))?,
            classes: Subnet::new(channels, (each * classes, prior), ("cls_logits", &class_scope))?,
            moves: Subnet::new(channels, (each * 4, 0.0), ("bbox_reg", &move_scope))?,
            anchors,
            design,
            body,
        })
    }

    fn predict(&self, images: &Images, mode: Mode) -> Result<Predictions> {
        let stages = self.body.maps(&images.pixels, self.design.body_mode(mode))?;
        let maps = self.pyramid.forward(&stages[1..], mode)?;
        let (mut logits, mut moves, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
        for map in &maps {
            let (batch, height, width, _) = map.dims4()?;
            let map = Map::of(map)?;
            logits.push(self.classes.forward(&map)?.reshape((batch, (), self.design.classes))?);
            moves.push(self.moves.forward(&map)?.reshape((batch, (), 4))?);
            sizes.push([height, width]);
        }
        let anchors = self.anchors.of_maps(&sizes, images.input()?);
        Ok(Predictions { logits: Tensor::cat(&logits, 1)?, moves: Tensor::cat(&moves, 1)?, anchors })
    }
}

impl Subnet {
    fn new(channels: usize, (outputs, bias): (usize, f32), (last, scope): (&str, &Scope)) -> Result<Self> {
        // 0.01 at the published 256 channels; fewer of them would let almost nothing through with it.
        let init = Init::Normal { std: 0.16 / (channels as f32).sqrt() };
        let shape = |outputs| ConvolutionShape { inputs: channels, outputs, kernel: 3 };
        let convolution =
            |index| Convolution::new(shape(channels), init, &scope.enter("conv").enter(index).enter(0));
        Ok(Self {
            convolutions: (0..4).map(convolution).collect::<Result<_>>()?,
            last: Convolution::with_bias(shape(outputs), init, bias, &scope.enter(last))?,
        })
    }

    fn forward(&self, map: &Map) -> Result<Tensor> {
        let mut x = map.clone();
        for convolution in &self.convolutions {
            x = convolution.relu(&x)?;
        }
        Ok(self.last.forward(&x)?.tensor()?)
    }
}

impl Detector for RetinaNet {
    fn losses(&self, images: &Images, objects_of: &[Vec<Object>], _draws: &Draws) -> Result<Losses> {
        let found = self.predict(images, Mode::Train { groups: 1 })?;
        let anchors: Vec<Corners> = found.anchors.concat();
        let matches: Vec<Vec<Match>> = (objects_of.par_iter())
            .map(|objects| {
                let corners: Vec<Corners> = objects.iter().map(|object| object.corners).collect();
                MATCHER.matches(&corners, &anchors)
            })
            .collect();
        let rows = objects_of.len() * anchors.len();
        let (mut targets, mut weights) = (vec![0f32; rows * self.design.classes], vec![0f32; rows]);
        let (mut fitted, mut wanted, mut shares) = (Vec::new(), Vec::new(), Vec::new());
        for (image, (objects, matches)) in objects_of.iter().zip(&matches).enumerate() {
            let positive = matches.iter().filter(|found| matches!(found, Match::Object(_))).count();
            // Each image weighs the same, however many objects it has.
            let share = 1.0 / (positive.max(1) * objects_of.len()) as f32;
            for (index, found) in matches.iter().enumerate() {
                let row = image * anchors.len() + index;
                weights[row] = if *found == Match::Ignored { 0.0 } else { share };
                if let Match::Object(object) = found {
                    let object = &objects[*object];
                    targets[row * self.design.classes + object.class] = 1.0;
                    fitted.push(row as u32);
                    wanted.push(BoxCoder::PROPOSALS.encode(object.corners, anchors[index]));
                    shares.push(share);
                }
            }
        }
        let device = found.logits.device();
        let targets = Tensor::from_vec(targets, (rows, self.design.classes), device)?;
        let each = focal(&found.logits.reshape((rows, self.design.classes))?, &targets)?;
        let shows = each.broadcast_mul(&Tensor::from_vec(weights, (rows, 1), device)?)?.sum_all()?;
        let fits = match fitted.is_empty() {
            true => nothing(&found.moves)?,
            false => {
                let moves = found.moves.reshape((rows, 4))?.index_select(&Tensor::new(fitted, device)?, 0)?;
                let differences = absolute(&(moves - rows_of(wanted, device)?)?)?;
                differences.broadcast_mul(&Tensor::new(shares, device)?.unsqueeze(1)?)?.sum_all()?
            }
        };
        Ok(vec![("classification", shows), ("bbox_regression", fits)])
    }

    fn detect(&self, images: &Images) -> Result<Vec<Vec<Detection>>> {
        let found = self.predict(images, Mode::Eval)?;
        let scores = candle_nn::ops::sigmoid(&found.logits)?.to_vec3::<f32>()?;
        let moves = found.moves.to_vec3::<f32>()?;
        let of_image = |scores: &[Vec<f32>], moves: &[Vec<f32>], size: &[usize; 2]| {
            let mut all = Vec::new();
            let mut first = 0;
            for anchors in &found.anchors {
                let mut candidates: Vec<(usize, usize, f32)> = Vec::new();
                for (index, scores) in scores[first..first + anchors.len()].iter().enumerate() {
                    let sure = scores.iter().enumerate().filter(|(_, score)| **score > LEAST_SCORE);
                    candidates.extend(sure.map(|(class, score)| (index, class, *score)));
                }
                candidates.sort_by(|one, other| other.2.total_cmp(&one.2));
                for (index, class, score) in candidates.into_iter().take(CANDIDATES) {
                    let moves = &moves[first + index];
                    let moves = [0, 1, 2, 3].map(|axis| moves[axis]);
                    let corners = BoxCoder::PROPOSALS.decode(moves, anchors[index]).clipped(*size);
                    all.push(Detection { corners, class, score, mask: None });
                }
                first += anchors.len();
            }
            best(all, MOST_IOU)
        };
        let found = scores.par_iter().zip(&moves).zip(&images.sizes);
        Ok(found.map(|((scores, moves), size)| of_image(scores, moves, size)).collect())
    }
}
