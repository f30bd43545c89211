//! A backbone by detectron2's names, and a configuration that trains Mask R-CNN from them.

use anyhow::Result;
use candle_core::Tensor;
use std::collections::BTreeMap;
use univip_core::backbone_file::names::detectron2;
use univip_core::nn::layout::to_torchvision;
use univip_core::recipe::{BackboneKind, Settings};

/// The configuration's file.
pub const CONFIGURATION: &str = "mask_rcnn_fpn_1x.yaml";

/// A backbone's tensors (by our names and in our layout) by detectron2's names and in its layout.
pub fn tensors(tensors: &BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>> {
    let tensors = to_torchvision(tensors)?;
    Ok(tensors.into_iter().map(|(name, tensor)| (detectron2(&name), tensor)).collect())
}

/// Mask R-CNN with FPN, the 1x schedule: the protocol of detection after self-supervised pre-training. It has no `_BASE_`,
/// whose place depends on where detectron2 is; what it does not state are detectron2's defaults.
pub fn configuration(settings: &Settings) -> String {
    let (depth, res2) = match settings.network.backbone {
        BackboneKind::ResNet18 => (18, settings.network.width),
        BackboneKind::ResNet50 => (50, 4 * settings.network.width),
    };
    let width = settings.network.width;
    let levels = |values: &[f32; 3]| {
        let values = values.map(|value| format!("{:.3}", value * 255.0));
        values.join(", ")
    };
    let (mean, std) = (levels(&settings.augment.mean), levels(&settings.augment.std));
    format!(
        r#"# Mask R-CNN, ResNet-{depth} and FPN, 1x schedule, from backbone.pth. Every layer is trained, every batch norm is
# synchronised, images are RGB. In this directory:
#   python DETECTRON2/tools/train_net.py --config-file {CONFIGURATION} --num-gpus 8
# Elsewhere, add: MODEL.WEIGHTS DIRECTORY/backbone.pth
MODEL:
  META_ARCHITECTURE: "GeneralizedRCNN"
  WEIGHTS: "backbone.pth"
  MASK_ON: True
  PIXEL_MEAN: [{mean}]
  PIXEL_STD: [{std}]
  BACKBONE:
    NAME: "build_resnet_fpn_backbone"
    FREEZE_AT: 0            # all layers
  RESNETS:
    DEPTH: {depth}
    STEM_OUT_CHANNELS: {width}
    RES2_OUT_CHANNELS: {res2}
    WIDTH_PER_GROUP: {width}
    OUT_FEATURES: ["res2", "res3", "res4", "res5"]
    NORM: "SyncBN"
    STRIDE_IN_1X1: False    # the stride is in the 3x3 convolution, as torchvision has it
  FPN:
    IN_FEATURES: ["res2", "res3", "res4", "res5"]
    NORM: "SyncBN"
  ANCHOR_GENERATOR:
    SIZES: [[32], [64], [128], [256], [512]]
    ASPECT_RATIOS: [[0.5, 1.0, 2.0]]
  RPN:
    IN_FEATURES: ["p2", "p3", "p4", "p5", "p6"]
    PRE_NMS_TOPK_TRAIN: 2000
    PRE_NMS_TOPK_TEST: 1000
    POST_NMS_TOPK_TRAIN: 1000
    POST_NMS_TOPK_TEST: 1000
  ROI_HEADS:
    NAME: "StandardROIHeads"
    IN_FEATURES: ["p2", "p3", "p4", "p5"]
  ROI_BOX_HEAD:             # ORL's: 4 convolutions and 1 linear layer; MoCo's: NUM_CONV 0, NUM_FC 2, NORM ""
    NAME: "FastRCNNConvFCHead"
    NUM_CONV: 4
    NUM_FC: 1
    NORM: "SyncBN"
    POOLER_RESOLUTION: 7
  ROI_MASK_HEAD:
    NAME: "MaskRCNNConvUpsampleHead"
    NUM_CONV: 4
    NORM: "SyncBN"
    POOLER_RESOLUTION: 14
DATASETS:
  TRAIN: ("coco_2017_train",)
  TEST: ("coco_2017_val",)
INPUT:
  FORMAT: "RGB"
  MIN_SIZE_TRAIN: (640, 672, 704, 736, 768, 800)
SOLVER:
  IMS_PER_BATCH: 16
  BASE_LR: 0.02
  WARMUP_ITERS: 1000
  STEPS: (60000, 80000)     # 2x: (120000, 160000)
  MAX_ITER: 90000           # 2x: 180000
TEST:
  EVAL_PERIOD: 0
  PRECISE_BN:
    ENABLED: True
VERSION: 2
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_follows_the_network_and_the_colours() {
        let mut settings = Settings::default();
        let text = configuration(&settings);
        for line in [
            "PIXEL_MEAN: [123.675, 116.280, 103.530]",
            "PIXEL_STD: [58.395, 57.120, 57.375]",
            "DEPTH: 50",
            "RES2_OUT_CHANNELS: 256",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        settings.network.backbone = BackboneKind::ResNet18;
        let text = configuration(&settings);
        assert!(text.contains("DEPTH: 18") && text.contains("RES2_OUT_CHANNELS: 64"), "{text}");
    }
}
