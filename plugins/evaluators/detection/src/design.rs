//! The settings that all R-CNNs share.

use crate::boxes::Corners;
use crate::convention::Convention;
use crate::detector::Losses;
use crate::objects::Object;
use crate::proposals::ProposalLimits;
use crate::regions::TrainingRegions;
use crate::sampling::{Draws, Sampler};
use candle_core::Tensor;
use univip_core::nn::Mode;

/// The size of what is behind the backbone, and how it learns.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// Classes, without the background.
    pub classes: usize,
    /// Channels of the mask head; none without one.
    pub masks: Option<usize>,
    /// Puts batch norm behind the layers of the neck and of the heads.
    pub norm: bool,
    /// Batch norm of the backbone takes the batch's statistics. Otherwise it keeps its running ones.
    pub body_norm: bool,
    /// Proposals in training and in measurement.
    pub proposals: [ProposalLimits; 2],
    /// Anchors an image that the proposal network is trained on.
    pub sampled_anchors: usize,
    /// Regions an image that the heads are trained on.
    pub sampled_regions: usize,
    /// The largest share of objects among them; a quarter as published.
    pub objects: f32,
    /// The library whose details it follows.
    pub convention: Convention,
}

impl Design {
    /// The mode of the backbone where the rest of the detector runs in `mode`.
    pub fn body_mode(&self, mode: Mode) -> Mode {
        if self.body_norm { mode } else { Mode::Eval }
    }

    /// Draws the regions that the heads are trained on from the proposals of each image and its objects.
    pub fn draw(
        &self,
        proposals: Vec<Vec<Corners>>,
        objects: &[Vec<Object>],
        draws: &Draws,
    ) -> TrainingRegions {
        let sampler = Sampler { count: self.sampled_regions, objects: self.objects };
        TrainingRegions::draw(proposals, objects, sampler, draws)
    }
}

/// The losses of the anchors and of the regions, what they show and where it is, and of the masks, by torchvision's names.
pub fn named([holds, fits]: [Tensor; 2], [shows, lies]: [Tensor; 2], masks: Option<Tensor>) -> Losses {
    let mut losses = vec![
        ("loss_objectness", holds),
        ("loss_rpn_box_reg", fits),
        ("loss_classifier", shows),
        ("loss_box_reg", lies),
    ];
    losses.extend(masks.map(|masks| ("loss_mask", masks)));
    losses
}
