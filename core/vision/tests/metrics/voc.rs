//! PASCAL VOC's numbers.

use super::{Found, Object, assert_close, fixture};
use serde::Deserialize;
use univip_vision::metrics::voc::{Interpolation, evaluate};
use univip_vision::metrics::{Detection, GroundTruth};

#[derive(Deserialize)]
struct Case {
    name: String,
    classes: usize,
    truth: Vec<Object>,
    found: Vec<Found>,
    eleven: Vec<[f64; 10]>,
    area: Vec<[f64; 10]>,
}

#[test]
fn every_class_at_every_threshold_is_as_the_development_kit_has_it() {
    for case in fixture::<Vec<Case>>("voc.json") {
        // The last number of an object says that it is difficult.
        let difficult = |object: GroundTruth| GroundTruth { ignore: object.crowd, crowd: false, ..object };
        let truth: Vec<GroundTruth> = case.truth.iter().map(|one| difficult(one.ground_truth())).collect();
        let found: Vec<Detection> = case.found.iter().map(Found::detection).collect();
        for (how, expected) in [(Interpolation::ElevenPoint, &case.eleven), (Interpolation::Area, &case.area)]
        {
            let what = format!("{}, {how:?}", case.name);
            let ours = evaluate(&truth, &found, case.classes, how).unwrap();
            assert_close(ours.classes.as_flattened(), expected.as_flattened(), &what);
            let measured: Vec<_> = expected.iter().filter(|class| class[0] > -1.0).collect();
            let mean = |from: usize, to: usize| {
                let values: Vec<f64> = measured.iter().flat_map(|class| class[from..to].to_vec()).collect();
                values.iter().sum::<f64>() / values.len() as f64
            };
            let expected = [mean(0, 10), mean(0, 1), mean(5, 6)];
            assert_close(&[ours.ap, ours.ap50, ours.ap75], &expected, &what);
        }
    }
}

#[test]
fn nothing_to_measure_is_minus_1() {
    let ours = evaluate(&[], &[], 2, Interpolation::Area).unwrap();
    assert_eq!((ours.ap, ours.ap50, ours.ap75), (-1.0, -1.0, -1.0));
    let outside = GroundTruth::of_box(3, 2, [0.0, 0.0, 1.0, 1.0]);
    let said = evaluate(&[outside], &[], 2, Interpolation::Area).unwrap_err().to_string();
    assert!(said.contains("1 of 1 annotated objects is of a class that is not below 2"), "{said}");
}
