//! RetinaNet: losses, gradients and detections.

use crate::detectors::{body, check_detections, check_losses, design, losses, theirs};
use crate::{fixture, formula};
use candle_core::Device;
use univip_core::nn::Parameters;
use univip_detection::retinanet::RetinaNet;

#[test]
fn retinanet_agrees_with_torchvision() {
    let parameters = Parameters::new(0, &Device::Cpu);
    let scope = parameters.trainable();
    let detector = RetinaNet::new(body(50, &scope), 8, design(false), &scope).unwrap();
    let factor = |name: &str| if name.ends_with("cls_logits.weight") { 3.0 } else { 1.0 };
    formula::load(&parameters, theirs, factor);
    let expected = fixture("retinanet");
    check_losses(losses(&detector, &expected), &parameters, &expected, theirs);
    check_detections(&detector, &expected, 0, false);
}
