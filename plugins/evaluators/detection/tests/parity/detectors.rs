//! Shared by the tests of whole detectors: the two images, their objects, and the comparison of numbers.

use crate::formula::noise;
use crate::{assert_close, assert_tensor, corners, flat, values};
use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;
use univip_core::nn::{Backbone, Parameters, Scope};
use univip_detection::boxes::Corners;
use univip_detection::convention::Convention;
use univip_detection::design::Design;
use univip_detection::detector::{Detector, Images, Losses};
use univip_detection::objects::{Bitmap, Object};
use univip_detection::proposals::ProposalLimits;
use univip_detection::sampling::Draws;

const SIZES: [[usize; 2]; 2] = [[96, 128], [128, 96]];

/// A ResNet of width 4.
pub fn body(layers: usize, scope: &Scope) -> Box<dyn Backbone> {
    univip_resnet::plan(layers, 4).build(&scope.enter("backbone")).unwrap()
}

/// An R-CNN whose sampling leaves nothing out.
pub fn design(norm: bool) -> Design {
    Design {
        classes: 3,
        masks: Some(6),
        norm,
        body_norm: norm,
        proposals: [ProposalLimits { before: 200, after: 60 }, ProposalLimits { before: 100, after: 40 }],
        sampled_anchors: 100_000,
        sampled_regions: 100_000,
        objects: 0.25,
        convention: Convention::Torchvision,
    }
}

/// By what an R-CNN's parameters are larger, so that scores lie far apart and enough objects are found.
pub fn factor(name: &str) -> f64 {
    match name {
        "rpn.head.cls_logits.weight" => 3.0,
        "roi_heads.box_predictor.cls_score.weight" => 4.0,
        _ => 1.0,
    }
}

/// A parameter's name in torchvision.
pub fn theirs(own: &str) -> String {
    match own.split_once('.') {
        Some(("backbone", rest)) => format!("backbone.body.{rest}"),
        Some(("fpn", rest)) => format!("backbone.fpn.{rest}"),
        _ => own.into(),
    }
}

/// Both images in one padded batch.
pub fn images() -> Images {
    images_of("")
}

/// The same with the pixels of another draw.
pub fn images_of(draw: &str) -> Images {
    let padded = |index: usize| {
        let [height, width] = SIZES[index];
        let image = noise(&format!("image{index}{draw}"), [1, 3, height, width]);
        let image = image.pad_with_zeros(1, 0, 128 - height).unwrap();
        image.pad_with_zeros(2, 0, 128 - width).unwrap()
    };
    Images { pixels: Tensor::cat(&[padded(0), padded(1)], 0).unwrap(), sizes: SIZES.to_vec() }
}

/// Ellipses in the boxes of the fixture.
pub fn objects(expected: &HashMap<String, Tensor>) -> Vec<Vec<Object>> {
    let of_image = |index: usize| {
        let labels = values(&expected[&format!("objects/{index}/labels")]);
        let object = |(corners, label): (Corners, f32)| Object {
            corners,
            class: label as usize - 1,
            mask: Some(ellipse(corners, SIZES[index])),
        };
        corners(&expected[&format!("objects/{index}/boxes")]).into_iter().zip(labels).map(object).collect()
    };
    (0..2).map(of_image).collect()
}

fn ellipse(corners: Corners, size: [usize; 2]) -> Bitmap {
    let [left, top, right, bottom] = corners.array().map(f64::from);
    let inside = |pixel: usize| {
        let (x, y) = ((pixel % size[1]) as f64 + 0.5, (pixel / size[1]) as f64 + 0.5);
        let across = (x - (left + right) / 2.0) / (right - left) * 2.0;
        let down = (y - (top + bottom) / 2.0) / (bottom - top) * 2.0;
        across.powi(2) + down.powi(2) < 1.0
    };
    Bitmap { size, pixels: (0..size[0] * size[1]).map(inside).collect() }
}

/// The losses of a batch, whose sampling leaves nothing out.
pub fn losses(detector: &dyn Detector, expected: &HashMap<String, Tensor>) -> Losses {
    detector.losses(&images(), &objects(expected), &Draws { seed: 0, step: 0 }).unwrap()
}

/// Compares losses, and the gradients that the fixture has under the names that `theirs` gives.
pub fn check_losses(
    losses: Losses,
    parameters: &Parameters,
    expected: &HashMap<String, Tensor>,
    theirs: fn(&str) -> String,
) {
    assert_eq!(losses.len(), expected.keys().filter(|key| key.starts_with("loss/")).count());
    let mut total = Tensor::zeros((), DType::F32, &Device::Cpu).unwrap();
    for (name, loss) in losses {
        let value = loss.to_scalar::<f32>().unwrap();
        assert_close(&[value], &values(&expected[&format!("loss/{name}")]), name);
        total = (total + loss).unwrap();
    }
    let store = total.backward().unwrap();
    let mut compared = 0;
    for (own, parameter) in parameters.parameters() {
        let gradient = store.get(&parameter).unwrap_or_else(|| panic!("no gradient of {own}"));
        if let Some(theirs) = expected.get(&format!("gradient/{}", theirs(&own))) {
            assert_tensor(gradient, theirs, &own);
            compared += 1;
        }
    }
    assert_eq!(compared, expected.keys().filter(|key| key.starts_with("gradient/")).count());
}

/// Compares how many detections there are, and the best of them; `first_class` is the number of the first class there.
/// With `masks` every one has a mask, without none has.
pub fn check_detections(
    detector: &dyn Detector,
    expected: &HashMap<String, Tensor>,
    first_class: usize,
    masks: bool,
) {
    for (image, found) in detector.detect(&images()).unwrap().iter().enumerate() {
        let theirs = |key: &str| values(&expected[&format!("found/{image}/{key}")]);
        assert_eq!(found.len() as f32, theirs("count")[0]);
        let first = &found[..theirs("scores").len()];
        let scores: Vec<f32> = first.iter().map(|one| one.score).collect();
        assert_close(&scores, &theirs("scores"), "scores");
        let classes: Vec<f32> = first.iter().map(|one| (one.class + first_class) as f32).collect();
        assert_eq!(classes, theirs("labels"));
        let boxes: Vec<Corners> = first.iter().map(|one| one.corners).collect();
        assert_close(&flat(&boxes), &theirs("boxes"), "boxes");
        assert!(found.iter().all(|one| one.mask.is_some() == masks), "masks of image {image}");
        if masks {
            let masks: Vec<f32> = first[..2].iter().flat_map(|one| one.mask.clone().unwrap()).collect();
            assert_close(&masks, &theirs("masks"), "masks");
        }
    }
}
