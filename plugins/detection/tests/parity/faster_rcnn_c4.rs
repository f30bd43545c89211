//! Faster R-CNN without a pyramid: losses, gradients and detections.

use crate::detectors::{body, check_detections, check_losses, losses};
use crate::{fixture, formula};
use candle_core::Device;
use univip_core::nn::Parameters;
use univip_detection::faster_rcnn_c4::{Counts, FasterRcnnC4};
use univip_detection::proposals::ProposalLimits;

/// A parameter's name in torchvision.
fn theirs(own: &str) -> String {
    match own.strip_prefix("backbone.layer4.") {
        Some(rest) => format!("roi_heads.box_head.0.{rest}"),
        None => own.into(),
    }
}

#[test]
fn faster_rcnn_without_a_pyramid_agrees_with_torchvision() {
    let parameters = Parameters::new(0, &Device::Cpu);
    let scope = parameters.trainable();
    let proposals = [ProposalLimits { before: 200, after: 60 }, ProposalLimits { before: 100, after: 40 }];
    let counts = Counts { classes: 3, proposals, sampled: [100_000; 2], objects: 0.25 };
    let detector = FasterRcnnC4::new(body(&scope), counts, false, &scope).unwrap();
    let factor = |name: &str| match name {
        "rpn.head.cls_logits.weight" => 3.0,
        "roi_heads.box_predictor.cls_score.weight" => 4.0,
        _ => 1.0,
    };
    formula::load(&parameters, theirs, factor);
    let expected = fixture("faster_rcnn_c4");
    check_losses(losses(&detector, &expected), &parameters, &expected, theirs);
    check_detections(&detector, &expected, 1, false);
}
