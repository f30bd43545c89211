//! COCO's numbers.

use super::{Found, Object, assert_close, fixture};
use serde::Deserialize;
use univip_vision::metrics::coco::{Evaluation, Parameters, Summary, evaluate};
use univip_vision::metrics::{Detection, GroundTruth, IouType};

#[derive(Deserialize)]
struct Case {
    name: String,
    r#type: String,
    segm: String,
    truth: Vec<Object>,
    found: Vec<Found>,
    summary: Vec<f64>,
    classes: Vec<Vec<f64>>,
    #[serde(default)]
    precision: Vec<f64>,
    #[serde(default)]
    recall: Vec<f64>,
}

impl Case {
    fn input(&self) -> (Vec<GroundTruth>, Vec<Detection>, IouType, Parameters) {
        let truth = self.truth.iter().map(Object::ground_truth).collect();
        let found = self.found.iter().map(Found::detection).collect();
        let kind =
            [IouType::BoundingBox, IouType::Segmentation].into_iter().find(|kind| kind.name() == self.r#type);
        let size_of = (self.segm == "masks and bbox").then_some(IouType::BoundingBox);
        (truth, found, kind.unwrap(), Parameters { size_of, ..Parameters::default() })
    }

    fn evaluate(&self) -> Evaluation {
        let (truth, found, kind, parameters) = self.input();
        evaluate(&truth, &found, kind, self.classes.len(), &parameters).unwrap()
    }
}

fn cases() -> Vec<Case> {
    fixture("coco.json")
}

fn numbers(summary: &Summary) -> [f64; 12] {
    summary.named().map(|(_, value)| value)
}

#[test]
fn all_twelve_numbers_of_every_case_and_class_are_pycocotools() {
    for case in cases() {
        let ours = case.evaluate();
        assert_close(&numbers(&ours.summary), &case.summary, &case.name);
        for (class, expected) in case.classes.iter().enumerate() {
            let what = format!("{}, class {class}", case.name);
            assert_close(&numbers(&ours.classes[class].summary), expected, &what);
        }
    }
}

#[test]
fn curves_are_pycocotools_at_every_size_limit_and_threshold() {
    let mut seen = 0;
    for case in cases().iter().filter(|case| !case.recall.is_empty()) {
        let first = &case.evaluate().classes[0];
        let (mut precision, mut recall) = (Vec::new(), Vec::new());
        for size in 0..4 {
            for limit in 0..3 {
                for threshold in 0..10 {
                    let curve = first.precision(threshold, size, limit);
                    // pycocotools fills what is not measured with -1.
                    precision.extend(if curve.is_empty() { vec![-1.0; 101] } else { curve.to_vec() });
                    recall.push(first.recall(threshold, size, limit));
                }
            }
        }
        assert_close(&precision, &case.precision, &case.name);
        assert_close(&recall, &case.recall, &case.name);
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn neither_threads_nor_the_order_of_images_change_a_bit() {
    for case in cases() {
        let (mut truth, mut found, kind, parameters) = case.input();
        let expected = case.evaluate();
        truth.sort_by_key(|object| std::cmp::Reverse(object.image));
        found.sort_by_key(|one| one.image % 3);
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let ours =
                pool.install(|| evaluate(&truth, &found, kind, case.classes.len(), &parameters).unwrap());
            assert_eq!(ours, expected, "{}", case.name);
        }
    }
}

#[test]
fn an_ignored_object_is_as_one_of_an_area_out_of_every_range() {
    let case = cases().into_iter().find(|case| case.name == "ignored without being a crowd").unwrap();
    let (mut truth, found, kind, parameters) = case.input();
    let mut changed = 0;
    for object in truth.iter_mut().filter(|object| object.area > 1e10) {
        (object.area, object.ignore) = (object.bounding_box[2] * object.bounding_box[3], true);
        changed += 1;
    }
    assert!(changed > 5);
    let ours = evaluate(&truth, &found, kind, case.classes.len(), &parameters).unwrap();
    assert_close(&numbers(&ours.summary), &case.summary, &case.name);
}

#[test]
fn objects_and_detections_are_counted_by_class() {
    let case = cases().into_iter().find(|case| case.name == "crowds").unwrap();
    let (truth, found, ..) = case.input();
    for (class, ours) in case.evaluate().classes.iter().enumerate() {
        assert_eq!(ours.objects, truth.iter().filter(|one| one.class == class && !one.crowd).count());
        assert_eq!(ours.detections, found.iter().filter(|one| one.class == class).count());
    }
}

#[test]
fn what_cannot_be_measured_is_refused_with_how_much_and_where() {
    let corner = [0.0, 0.0, 9.0, 9.0];
    let truth = vec![GroundTruth::of_box(3, 0, corner), GroundTruth::of_box(4, 1, corner)];
    let found = |image, score| Detection { image, class: 0, bounding_box: corner, score, mask: None };
    let said = |truth: &[GroundTruth], found: &[Detection], kind, classes, parameters: &Parameters| {
        evaluate(truth, found, kind, classes, parameters).unwrap_err().to_string()
    };
    let (boxes, usual) = (IouType::BoundingBox, Parameters::default());
    let outside = said(&truth, &[], boxes, 1, &usual);
    assert!(outside.contains("1 of 2 annotated objects is of a class that is not below 1"), "{outside}");
    assert!(outside.contains("in image 4"), "{outside}");
    let nan = said(&truth, &[found(3, 0.5), found(9, f64::NAN), found(8, f64::NAN)], boxes, 2, &usual);
    assert!(nan.contains("2 of 3 detections have a box or a score that is no number"), "{nan}");
    assert!(nan.contains("in image 9, in image 8"), "{nan}");
    let bare = said(&truth, &[], IouType::Segmentation, 2, &usual);
    assert!(bare.contains("2 of 2 annotated objects have no mask"), "{bare}");
    for (parameters, expected) in [
        (Parameters { thresholds: vec![0.5; 33], ..usual.clone() }, "33 thresholds"),
        (Parameters { recalls: vec![0.5, 0.1], ..usual.clone() }, "ascend"),
        (Parameters { limits: [10, 1, 100], ..usual.clone() }, "limits"),
    ] {
        let said = said(&truth, &[], boxes, 2, &parameters);
        assert!(said.contains(expected), "{said}");
    }
}
