//! Details in which the detectors of torchvision and of detectron2 differ.

use crate::layers::he;
use crate::roi_align::Sampling;
use univip_core::nn::Init;

/// The library whose details a detector follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convention {
    /// torchvision's `fasterrcnn_resnet50_fpn` and its relatives; fewer points a cell, so it is the faster one.
    Torchvision,
    /// detectron2's defaults, with which the published numbers were measured (`detectron2/config/defaults.py`).
    Detectron2,
}

impl Convention {
    /// The distance at which the loss of boxes turns from quadratic to linear (beta of smooth L1); 0 is linear everywhere.
    pub fn box_loss_beta(self) -> f64 {
        match self {
            Self::Torchvision => 1.0 / 9.0,
            Self::Detectron2 => 0.0,
        }
    }

    /// The settings of RoIAlign: `POOLER_TYPE` "ROIAlignV2" with a `POOLER_SAMPLING_RATIO` of 0 there.
    pub fn sampling(self) -> Sampling {
        match self {
            Self::Torchvision => Sampling { points: 2, aligned: false },
            Self::Detectron2 => Sampling { points: 0, aligned: true },
        }
    }

    /// The initial weights of the layer of `outputs` masks; its bias starts at 0 in both (detectron2:
    /// `MaskRCNNConvUpsampleHead.predictor`).
    pub fn mask_logits(self, outputs: usize) -> Init {
        match self {
            Self::Torchvision => he(outputs, 1),
            Self::Detectron2 => Init::Normal { std: 0.001 },
        }
    }

    /// True if the corners of anchors are whole pixels.
    pub fn whole_anchors(self) -> bool {
        self == Self::Torchvision
    }
}
