//! The mask head: which pixels of a region are the object's (He et al. 2017).

use crate::layers::{Block, Convolution, Doubling, he};
use crate::losses::binary_cross_entropy;
use anyhow::{Result, ensure};
use candle_core::Tensor;
use univip_core::nn::ops::Map;
use univip_core::nn::{Mode, Scope};

/// Cells along a side of a region's features.
pub const SIDE: usize = 14;
/// Cells along a side of a mask.
pub const MASK_SIDE: usize = 2 * SIDE;

/// Four convolutions, a doubling of the resolution, and a mask for each class.
pub struct MaskHead {
    convolutions: Vec<Block>,
    doubling: Doubling,
    logits: Convolution,
}

impl MaskHead {
    /// From features of `inputs` channels through layers of `channels`; `norm` puts batch norm behind the four
    /// convolutions. Parameters are named as torchvision names them.
    pub fn new(inputs: usize, channels: usize, classes: usize, norm: bool, scope: &Scope) -> Result<Self> {
        let (head, predictor) = (scope.enter("mask_head"), scope.enter("mask_predictor"));
        let block = |index| {
            let inputs = if index == 0 { inputs } else { channels };
            Block::new(inputs, channels, 3, he(channels, 3), norm, &head.enter(index))
        };
        Ok(Self {
            convolutions: (0..4).map(block).collect::<Result<_>>()?,
            doubling: Doubling::new(channels, channels, &predictor.enter("conv5_mask"))?,
            logits: Convolution::new(
                channels,
                classes + 1,
                1,
                he(classes + 1, 1),
                &predictor.enter("mask_fcn_logits"),
            )?,
        })
    }

    /// The mask of each region for its own class, counted from 0: `[R, 28, 28]`, before the sigmoid. Features
    /// `[R, 14, 14, inputs]`.
    pub fn predict(&self, features: &Tensor, classes: &[usize], mode: Mode) -> Result<Tensor> {
        let (regions, _, width, _) = features.dims4()?;
        ensure!(regions == classes.len(), "{regions} regions with {} classes", classes.len());
        let mut x = Map::of(features)?;
        for convolution in &self.convolutions {
            x = convolution.relu(&x, mode)?;
        }
        let logits = self.logits.forward(&self.doubling.relu(&x)?)?.tensor()?;
        let (_, positions, four, all) = logits.dims4()?;
        let cells = positions * four;
        let rows = (0..cells).map(|cell| Doubling::place(cell / (2 * width), cell % (2 * width), width));
        let order: Vec<usize> = rows.collect();
        let places = classes.iter().enumerate().flat_map(|(region, class)| {
            order.iter().map(move |cell| ((region * cells + cell) * all + class + 1) as u32)
        });
        let places: Vec<u32> = places.collect();
        let own = logits.flatten_all()?.index_select(&Tensor::new(places, logits.device())?, 0)?;
        Ok(own.reshape((regions, cells / (2 * width), 2 * width))?)
    }
}

/// The loss of masks `[R, 28, 28]` against the objects' shares of each cell, row by row.
pub fn mask_loss(logits: &Tensor, wanted: Vec<f32>) -> Result<Tensor> {
    let wanted = Tensor::from_vec(wanted, logits.shape(), logits.device())?;
    binary_cross_entropy(logits, &wanted)
}
