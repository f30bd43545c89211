//! R-CNNs without a pyramid, with detectron2's details: losses, gradients and detections.

use crate::detectors::{body, check_detections, check_losses, design, factor, images_of, losses, objects};
use crate::{assert_close, corners, fixture, formula, values};
use candle_core::Device;
use univip_core::nn::Parameters;
use univip_detection::c4::C4;
use univip_detection::convention::Convention::Detectron2;
use univip_detection::design::Design;
use univip_detection::proposals::ProposalLimits;
use univip_detection::sampling::Draws;

/// A parameter's name in torchvision; the batch norm behind the fourth stage is the second part of its head.
fn theirs(own: &str) -> String {
    match own.strip_prefix("backbone.layer4.") {
        Some(rest) => format!("roi_heads.box_head.0.{rest}"),
        None => own.replace("roi_heads.norm", "roi_heads.box_head.1"),
    }
}

fn detector(norm: bool, masks: bool) -> (Parameters, C4) {
    let parameters = Parameters::new(0, &Device::Cpu);
    let scope = parameters.trainable();
    let backbone = if norm { 18 } else { 50 };
    let [train, test] = design(norm).proposals;
    let proposals = [ProposalLimits { after: 12, ..train }, test];
    let design = Design { convention: Detectron2, masks: masks.then_some(6), proposals, ..design(norm) };
    let detector = C4::new(body(backbone, &scope), design, &scope).unwrap();
    formula::load(&parameters, theirs, factor);
    (parameters, detector)
}

#[test]
fn losses_and_gradients_agree_with_torchvision() {
    let (parameters, detector) = detector(false, true);
    let expected = fixture("c4_plain");
    check_losses(losses(&detector, &expected), &parameters, &expected, theirs);
}

/// On torchvision's proposals and a chosen draw, as of Mask R-CNN on a pyramid.
#[test]
fn losses_and_gradients_with_batch_norm_agree_with_torchvision() {
    let (parameters, detector) = detector(true, false);
    let expected = fixture("c4_norm");
    let (images, draws) = (images_of(" draw 87"), Draws { seed: 0, step: 0 });
    let seen = detector.look(&images).unwrap();
    let given = (0..2).map(|image| corners(&expected[&format!("given/{image}")])).collect();
    let losses = detector.losses_on(&seen, given, &images, &objects(&expected), &draws).unwrap();
    check_losses(losses, &parameters, &expected, theirs);
}

#[test]
fn detections_agree_with_torchvision() {
    for (norm, name) in [(false, "c4_plain"), (true, "c4_norm")] {
        check_detections(&detector(norm, true).1, &fixture(name), 1, true);
    }
}

#[test]
fn faster_rcnn_is_the_same_without_masks() {
    let (_, detector) = detector(false, false);
    let expected = fixture("c4_plain");
    let losses = losses(&detector, &expected);
    assert_eq!(losses.len(), 4);
    for (name, loss) in losses {
        assert_close(&values(&loss), &values(&expected[&format!("loss/{name}")]), name);
    }
    check_detections(&detector, &expected, 1, false);
}
