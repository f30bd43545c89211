//! Mask R-CNN and Faster R-CNN: losses, gradients, proposals and detections.

use crate::detectors::{
    body, check_detections, check_losses, design, factor, images, images_of, losses, objects, theirs,
};
use crate::{assert_close, corners, fixture, flat, formula, values};
use candle_core::Device;
use univip_core::nn::Parameters;
use univip_detection::box_head::BoxHeadKind;
use univip_detection::design::Design;
use univip_detection::detector::Detector;
use univip_detection::mask_rcnn::{MaskRcnn, Neck};
use univip_detection::sampling::Draws;

/// With batch norm a ResNet-18 and four convolutions in the box head, without a ResNet-50 and two linear layers.
fn detector(design: Design) -> (Parameters, MaskRcnn) {
    let parameters = Parameters::new(0, &Device::Cpu);
    let scope = parameters.trainable();
    let (backbone, head) = match design.norm {
        true => (18, BoxHeadKind::FourConvolutions),
        false => (50, BoxHeadKind::TwoLinear),
    };
    let neck = Neck { channels: 8, head, hidden: 12 };
    let detector = MaskRcnn::new(body(backbone, &scope), neck, design, &scope).unwrap();
    formula::load(&parameters, theirs, factor);
    (parameters, detector)
}

const FIXTURES: [(bool, &str); 2] = [(false, "mask_rcnn_plain"), (true, "mask_rcnn_norm")];

#[test]
fn losses_and_gradients_agree_with_torchvision() {
    let (parameters, detector) = detector(design(false));
    let expected = fixture("mask_rcnn_plain");
    check_losses(losses(&detector, &expected), &parameters, &expected, theirs);
}

/// On torchvision's proposals, and with images that keep every ReLU's input away from 0: elsewhere rounding is enough to make
/// these gradients jump by percents, in PyTorch too. `fixtures/make.py` has the numbers.
#[test]
fn losses_and_gradients_with_batch_norm_agree_with_torchvision() {
    let (parameters, detector) = detector(design(true));
    let expected = fixture("mask_rcnn_norm");
    let (images, objects, draws) = (images_of(" draw 74"), objects(&expected), Draws { seed: 0, step: 0 });
    let seen = detector.look(&images).unwrap();
    let given = (0..2).map(|image| corners(&expected[&format!("given/{image}")])).collect();
    let losses = detector.losses_on(&seen, given, &images, &objects, &draws).unwrap();
    check_losses(losses, &parameters, &expected, theirs);
}

#[test]
fn an_object_without_a_mask_is_learnt_by_its_box() {
    let (parameters, detector) = detector(design(false));
    let expected = fixture("mask_rcnn_plain");
    for masked in [1, 0] {
        let mut objects = objects(&expected);
        objects.iter_mut().flatten().skip(masked).for_each(|object| object.mask = None);
        let losses = detector.losses(&images(), &objects, &Draws { seed: 0, step: 0 }).unwrap();
        for (name, loss) in &losses {
            match *name {
                "loss_mask" => assert_eq!(values(loss)[0] == 0.0, masked == 0),
                name => assert_close(&values(loss), &values(&expected[&format!("loss/{name}")]), name),
            }
        }
        let total =
            losses.into_iter().map(|(_, loss)| loss).reduce(|sum, loss| (sum + loss).unwrap()).unwrap();
        let gradients = total.backward().unwrap();
        for (name, parameter) in parameters.parameters() {
            assert!(gradients.get(&parameter).is_some(), "no gradient of {name} with {masked} masks");
        }
    }
}

#[test]
fn proposals_and_detections_agree_with_torchvision() {
    for (norm, name) in FIXTURES {
        let (_, detector) = detector(design(norm));
        let expected = fixture(name);
        for (image, proposals) in detector.proposals(&images()).unwrap().iter().enumerate() {
            let what = format!("{name} proposals of image {image}");
            assert_close(&flat(proposals), &values(&expected[&format!("proposals/{image}")]), &what);
        }
        check_detections(&detector, &expected, 1, true);
    }
}

#[test]
fn faster_rcnn_is_the_same_without_masks() {
    let (_, detector) = detector(Design { masks: None, ..design(false) });
    let expected = fixture("mask_rcnn_plain");
    let losses = losses(&detector, &expected);
    assert_eq!(losses.len(), 4);
    for (name, loss) in losses {
        assert_close(&values(&loss), &values(&expected[&format!("loss/{name}")]), name);
    }
    check_detections(&detector, &expected, 1, false);
}
