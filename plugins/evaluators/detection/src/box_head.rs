//! The box head: what a region shows, and where exactly that is (Girshick 2015).

use crate::box_coding::BoxCoder;
use crate::layers::{Block, ConvolutionShape, he, uniform};
use crate::losses::{nothing, rows_of, smooth_l1};
use crate::objects::Object;
use crate::regions::TrainingRegions;
use anyhow::{Result, ensure};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use univip_core::nn::ops::Map;
use univip_core::nn::{Init, Linear, Mode, Scope};

/// Cells along a side of a region's features.
pub const SIDE: usize = 7;

/// The layers between a region's features and its predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BoxHeadKind {
    /// Two linear layers with ReLU (Lin et al. 2017).
    #[serde(rename = "2fc")]
    TwoLinear,
    /// Four 3x3 convolutions and a linear layer (Wu and He 2018).
    #[serde(rename = "4conv1fc")]
    FourConvolutions,
}

/// The box head.
pub struct BoxHead {
    convolutions: Vec<Block>,
    linear: Vec<Linear>,
    predictor: BoxPredictor,
}

/// The last two layers.
pub struct BoxPredictor {
    classes: Linear,
    moves: Linear,
}

/// The predictions for R regions, of C classes and the background.
pub struct RegionPredictions {
    /// `[R, C + 1]`, before the softmax; the background comes first.
    pub logits: Tensor,
    /// The offsets and scales that fit the region to an object of each class: `[R, C + 1, 4]`.
    pub moves: Tensor,
}

/// The layers of a [`BoxHead`].
#[derive(Debug, Clone, Copy)]
pub struct BoxHeadShape {
    /// The kinds of its layers.
    pub kind: BoxHeadKind,
    /// Channels of the features.
    pub channels: usize,
    /// Units of the linear layers.
    pub hidden: usize,
    /// C, without the background.
    pub classes: usize,
    /// Puts batch norm behind the convolutions, in the place of their bias.
    pub norm: bool,
}

impl BoxHead {
    /// Parameters are named as torchvision names them, but linear layers read a region row by row, channels last.
    pub fn new(shape: BoxHeadShape, scope: &Scope) -> Result<Self> {
        let BoxHeadShape { kind, channels, hidden, classes, norm } = shape;
        let head = scope.enter("box_head");
        let inputs = SIDE * SIDE * channels;
        let (convolutions, linear) = match kind {
            BoxHeadKind::TwoLinear => {
                let linear = [("fc6", inputs), ("fc7", hidden)].map(|(name, inputs)| {
                    Linear::with_init(inputs, hidden, uniform(inputs, 1), &head.enter(name))
                });
                (Vec::new(), linear.into_iter().collect::<Result<_>>()?)
            }
            BoxHeadKind::FourConvolutions => {
                let shape = ConvolutionShape { inputs: channels, outputs: channels, kernel: 3 };
                let block = |index| Block::new(shape, he(channels, 3), norm, &head.enter(index));
                let convolutions = (0..4).map(block).collect::<Result<_>>()?;
                (convolutions, vec![Linear::with_init(inputs, hidden, uniform(inputs, 1), &head.enter(5))?])
            }
        };
        Ok(Self { convolutions, linear, predictor: BoxPredictor::new(hidden, classes, scope)? })
    }

    /// Of the features of regions, `[R, 7, 7, channels]`.
    pub fn predict(&self, features: &Tensor, mode: Mode) -> Result<RegionPredictions> {
        let mut x = features.clone();
        if !self.convolutions.is_empty() {
            let mut map = Map::of(&x)?;
            for convolution in &self.convolutions {
                map = convolution.relu(&map, mode)?;
            }
            x = map.tensor()?;
        }
        x = x.flatten_from(1)?;
        for linear in &self.linear {
            x = linear.forward(&Map::of(&x)?)?.tensor()?.relu()?;
        }
        self.predictor.predict(&x)
    }
}

impl BoxPredictor {
    /// From `inputs` features of a region. Initial values are those of Girshick (2015, Section 2.3).
    pub fn new(inputs: usize, classes: usize, scope: &Scope) -> Result<Self> {
        let scope = scope.enter("box_predictor");
        Ok(Self {
            classes: Linear::with_init(
                inputs,
                classes + 1,
                Init::Normal { std: 0.01 },
                &scope.enter("cls_score"),
            )?,
            moves: Linear::with_init(
                inputs,
                4 * (classes + 1),
                Init::Normal { std: 0.001 },
                &scope.enter("bbox_pred"),
            )?,
        })
    }

    /// Of `[R, inputs]`.
    pub fn predict(&self, features: &Tensor) -> Result<RegionPredictions> {
        let features = Map::of(features)?;
        let logits = self.classes.forward(&features)?.tensor()?;
        let moves = self.moves.forward(&features)?.tensor()?.reshape((logits.dim(0)?, (), 4))?;
        Ok(RegionPredictions { logits, moves })
    }
}

impl RegionPredictions {
    /// Of the regions of all, one after the other.
    pub fn joined(parts: &[Self]) -> Result<Self> {
        let join = |of: fn(&Self) -> &Tensor| Tensor::cat(&parts.iter().map(of).collect::<Vec<_>>(), 0);
        Ok(Self { logits: join(|part| &part.logits)?, moves: join(|part| &part.moves)? })
    }

    /// The loss of what the regions show, and that of where it is, smooth up to `beta`.
    pub fn losses(&self, drawn: &TrainingRegions, objects: &[Vec<Object>], beta: f64) -> Result<[Tensor; 2]> {
        let device = self.logits.device();
        let (count, classes) = self.logits.dims2()?;
        ensure!(count == drawn.regions.len(), "{count} predictions for {} regions", drawn.regions.len());
        let labels = Tensor::new(drawn.labels(objects), device)?;
        let shows = candle_nn::loss::cross_entropy(&self.logits, &labels)?;
        let (mut rows, mut wanted) = (Vec::new(), Vec::new());
        for (place, object) in drawn.positives(objects) {
            rows.push((place * classes + object.class + 1) as u32);
            wanted.push(BoxCoder::REGIONS.encode(object.corners, drawn.regions[place].corners));
        }
        let fits = match rows.is_empty() {
            true => nothing(&self.moves)?,
            false => {
                let moves = self.moves.reshape(((), 4))?.index_select(&Tensor::new(rows, device)?, 0)?;
                (smooth_l1(&moves, &rows_of(wanted, device)?, beta)? / count as f64)?
            }
        };
        Ok([shows, fits])
    }
}
