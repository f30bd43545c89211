//! COCO's files, whole and broken.

use serde_json::{Value, json};
use std::path::PathBuf;
use univip_vision::geometry::Size;
use univip_vision::metrics::IouType::{BoundingBox, Segmentation};
use univip_vision::metrics::instances::{Instances, Results};
use univip_vision::metrics::rle::Rle;
use univip_vision::metrics::{GroundTruth, IouType};

/// Two images of 30 x 20, categories with gaps, an object of each kind.
fn annotations() -> Value {
    json!({
        "images": [
            { "id": 9, "file_name": "b.jpg", "width": 30, "height": 20 },
            { "id": 4, "file_name": "a.jpg", "width": 30, "height": 20 },
        ],
        "annotations": [
            { "id": 1, "image_id": 9, "category_id": 90, "bbox": [1.0, 2.0, 3.5, 4.0], "iscrowd": 0, "area": 6.5,
              "segmentation": [[1.0, 2.0, 4.0, 2.0, 4.0, 6.0]], "ignore": 1 },
            { "id": 2, "image_id": 4, "category_id": 3, "bbox": [20.0, 10.0, 5.0, 5.0], "iscrowd": 1, "area": 3,
              "segmentation": { "counts": [1, 3, 596], "size": [20, 30] } },
        ],
        "categories": [{ "id": 90, "name": "toothbrush" }, { "id": 3, "name": "car" }],
    })
}

fn results() -> Value {
    json!([
        { "image_id": 9, "category_id": 90, "score": 0.75, "bbox": [1, 2, 3, 4],
          "segmentation": { "counts": [1, 3, 596], "size": [20, 30] } },
        { "image_id": 4, "category_id": 3, "score": 0.5, "bbox": [20.5, 10, 5, 5],
          "segmentation": [[1.0, 2.0, 4.0, 2.0, 4.0, 6.0]] },
    ])
}

fn with(mut value: Value, pointer: &str, change: Value) -> Value {
    match value.pointer_mut(pointer) {
        Some(place) => *place = change,
        None => {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            value.pointer_mut(parent).unwrap()[key] = change;
        }
    }
    value
}

fn without(mut value: Value, pointer: &str) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    value.pointer_mut(parent).and_then(Value::as_object_mut).unwrap().remove(key).unwrap();
    value
}

/// Both files, as they would be read.
fn read(annotations: &Value, results: &Value, kind: IouType) -> anyhow::Result<(Instances, Results)> {
    let directory = tempfile::tempdir()?;
    let file = |name: &str, value: &Value| -> anyhow::Result<PathBuf> {
        let path = directory.path().join(name);
        std::fs::write(&path, value.to_string())?;
        Ok(path)
    };
    let instances = Instances::read(&file("instances.json", annotations)?, kind)?;
    let results = instances.results(&file("results.json", results)?, kind)?;
    Ok((instances, results))
}

#[test]
fn classes_are_categories_in_order_and_objects_are_as_the_file_has_them() {
    let (instances, results) = read(&annotations(), &results(), Segmentation).unwrap();
    assert_eq!(instances.classes, ["car", "toothbrush"]);
    let size = Size { width: 30, height: 20 };
    let mask = Some(Rle::from_polygons(size, [&[1.0, 2.0, 4.0, 2.0, 4.0, 6.0][..]]).unwrap());
    let runs = Some(Rle::new(size, &[1, 3, 596]).unwrap());
    let first = GroundTruth {
        area: 6.5,
        mask: mask.clone(),
        // As pycocotools, which overwrites the field `ignore`.
        ignore: false,
        ..GroundTruth::of_box(9, 1, [1.0, 2.0, 3.5, 4.0])
    };
    let second = GroundTruth {
        area: 3.0,
        crowd: true,
        mask: runs.clone(),
        ..GroundTruth::of_box(4, 0, [20.0, 10.0, 5.0, 5.0])
    };
    assert_eq!(instances.truth, [first, second]);
    let found: Vec<_> = results.detections.iter().map(|one| (one.image, one.class, one.score)).collect();
    assert_eq!(found, [(9, 1, 0.75), (4, 0, 0.5)]);
    assert_eq!([&results.detections[0].mask, &results.detections[1].mask], [&runs, &mask]);
    assert_eq!(results.size_of, BoundingBox);
    assert!(instances.skipped.lines().is_empty() && results.skipped.lines().is_empty());
}

#[test]
fn boxes_alone_and_masks_alone_are_enough() {
    let boxes = ["/0/segmentation", "/1/segmentation"].into_iter().fold(results(), without);
    let (instances, found) = read(&annotations(), &boxes, BoundingBox).unwrap();
    assert!(instances.truth.iter().all(|object| object.mask.is_none()));
    assert!(found.detections.iter().all(|one| one.mask.is_none()));

    let masks = ["/0/bbox", "/1/bbox"].into_iter().fold(results(), without);
    for kind in [BoundingBox, Segmentation] {
        let (_, found) = read(&annotations(), &masks, kind).unwrap();
        assert_eq!(found.detections[0].bounding_box, [0.0, 1.0, 1.0, 3.0], "the box of the mask");
        assert_eq!(found.size_of, Segmentation);
    }
}

#[test]
fn boxes_are_measured_whatever_stands_for_masks() {
    let flat = json!([1.0, 2.0, 4.0, 2.0]);
    let annotations = with(annotations(), "/annotations/0/segmentation", flat.clone());
    let (instances, found) =
        read(&annotations, &with(results(), "/1/segmentation", flat.clone()), BoundingBox).unwrap();
    assert_eq!((instances.truth.len(), found.detections.len()), (2, 2));
    assert!(read(&annotations, &results(), Segmentation).is_err());
    let needed = without(with(results(), "/1/segmentation", flat), "/1/bbox");
    assert!(read(&annotations, &needed, BoundingBox).is_err(), "its box would be that of its mask");
}

#[test]
fn what_is_not_as_it_should_be_is_counted_and_the_rest_measured() {
    let lines = |annotations: &Value, results: &Value, kind| -> (usize, usize, Vec<String>) {
        let (instances, found) = read(annotations, results, kind).unwrap();
        let lines = [instances.skipped.lines(), found.skipped.lines()].concat();
        (instances.truth.len(), found.detections.len(), lines)
    };
    let flat = with(annotations(), "/annotations/0/bbox", json!([1.0, 2.0, 0.0, 4.0]));
    let (objects, _, said) = lines(&flat, &results(), BoundingBox);
    assert_eq!(objects, 2, "it is asked for, as by pycocotools");
    assert!(
        said[0].starts_with("1 object has a box without an area")
            && said[0].contains("annotation 1 of image 9")
    );

    assert!(lines(&flat, &results(), Segmentation).2.is_empty(), "its mask can be found");

    let unsized_ = without(annotations(), "/annotations/0/area");
    let (_, _, said) = lines(&unsized_, &results(), BoundingBox);
    assert!(said[0].starts_with("1 object has no `area` and is as large as its box"), "{said:?}");

    let line = json!([[1.0, 2.0, 3.0, 4.0]]);
    let short = with(annotations(), "/annotations/0/segmentation", line.clone());
    let (objects, found, said) = lines(&short, &with(results(), "/1/segmentation", line), Segmentation);
    assert_eq!((objects, found), (2, 2), "both are there, without a pixel");
    let expected =
        "1 polygon is skipped: annotation 1 of image 9: a polygon has 2 points; expected at least three";
    assert_eq!(said[0], expected);
    assert!(said[1].starts_with("1 polygon is skipped: one found in image 4"), "{said:?}");

    let far = with(annotations(), "/annotations/0/segmentation", json!([[1.0, 2.0, 4.0, 2.0, 4.0, 1e7]]));
    let (objects, _, said) = lines(&far, &results(), Segmentation);
    let expected = "1 polygon is skipped: annotation 1 of image 9: a polygon has the coordinate 10000000; expected pixels";
    assert_eq!((objects, said[0].as_str()), (2, expected));

    for bare in [
        without(annotations(), "/annotations/0/segmentation"),
        with(annotations(), "/annotations/0/segmentation", json!([])),
    ] {
        let (objects, found, said) = lines(&bare, &results(), Segmentation);
        assert_eq!((objects, found), (1, 1), "the image is not measured on");
        assert!(said[0].starts_with("1 image has objects without a mask and is skipped"), "{said:?}");
        assert!(said[0].ends_with("image 9"), "{said:?}");
        assert_eq!(lines(&bare, &results(), BoundingBox).0, 2);
    }
}

#[test]
fn what_contradicts_itself_is_refused_with_how_much_and_where() {
    let error = |annotations: &Value, results: &Value, kind| {
        let error = read(annotations, results, kind).err();
        format!("{:#}", error.expect("it is refused"))
    };
    for (pointer, change, expected) in [
        (
            "/annotations/0/image_id",
            json!(7),
            "1 of 2 annotations is of an image that is not listed: annotation 1",
        ),
        ("/annotations/1/category_id", json!(7), "1 of 2 annotations is of a category that is not listed"),
        ("/annotations/1/id", json!(1), "1 of 2 annotations has the id of another: annotation 1"),
        ("/images/1/id", json!(9), "1 of 2 images is listed twice: image 9"),
        ("/images/0/width", json!(0), "1 of 2 images has no size: image 9 of 0 x 20"),
        ("/images/0/width", Value::Null, "1 of 2 images has no size: image 9 without `width` or `height`"),
        (
            "/annotations/1/segmentation/size",
            json!([30, 20]),
            "annotation 2: its mask is of an image of 20 x 30",
        ),
        ("/annotations/1/segmentation/counts", json!([1, 2]), "annotation 2: a mask's runs have 3 pixels"),
        ("/images", json!("none"), "is not a COCO annotation file"),
    ] {
        let said = error(&with(annotations(), pointer, change), &results(), Segmentation);
        assert!(said.contains(expected) && said.contains("instances.json"), "{said}");
    }
    for (pointer, change, expected) in [
        (
            "/0/image_id",
            json!(7),
            "1 of 2 detections is in an image that the annotation file does not list: image 7",
        ),
        (
            "/0/category_id",
            json!(1),
            "1 of 2 detections is of a category that the annotation file does not list",
        ),
        ("/0/segmentation", Value::Null, "1 of 2 detections has no mask: one in image 9"),
        ("/0/segmentation/counts", json!("~"), "a mask found in image 9: character 1 of a compressed mask"),
        (
            "/0/score",
            Value::Null,
            "is not a COCO results file: at detection 1 (of image 9): invalid type: null",
        ),
        ("/1/bbox/2", json!("wide"), "at detection 2 (of image 4): invalid type: string \"wide\""),
        ("/1/image_id", json!(4.5), "at detection 2 (of image 4.5): invalid value: floating point `4.5`"),
        ("/1/segmentation", json!("none"), "at the segmentation of detection 2 (of image 4): invalid type"),
    ] {
        let said = error(&annotations(), &with(results(), pointer, change), Segmentation);
        assert!(said.contains(expected) && said.contains("results.json"), "{said}");
    }
    let bare = ["/0/bbox", "/0/segmentation"].into_iter().fold(results(), without);
    let said = error(&annotations(), &bare, BoundingBox);
    assert!(said.contains("1 of 2 detections has neither a box nor a mask"), "{said}");
}

/// The text of a file in which `NaN` stands for the strings `"NaN"`.
fn written(value: &Value) -> String {
    value.to_string().replace("\"NaN\"", "NaN")
}

/// Reads both files from their text.
fn read_texts(annotations: &str, results: &str, kind: IouType) -> anyhow::Result<(Instances, Results)> {
    let directory = tempfile::tempdir()?;
    let [instances, found] = ["instances.json", "results.json"].map(|name| directory.path().join(name));
    std::fs::write(&instances, annotations)?;
    std::fs::write(&found, results)?;
    let read = Instances::read(&instances, kind)?;
    let results = read.results(&found, kind)?;
    Ok((read, results))
}

#[test]
fn numbers_and_flags_are_read_in_all_the_ways_that_python_writes_them() {
    let (expected, found) = read(&annotations(), &results(), Segmentation).unwrap();
    for (pointer, value) in [
        ("/images/0/id", json!(9.0)),
        ("/images/0/width", json!(30.0)),
        ("/annotations/0/id", json!(1.0)),
        ("/annotations/0/image_id", json!(9.0)),
        ("/annotations/0/category_id", json!(90.0)),
        ("/annotations/0/iscrowd", json!(false)),
        ("/annotations/0/iscrowd", Value::Null),
        ("/annotations/0/iscrowd", json!(0.0)),
        ("/annotations/1/iscrowd", json!(true)),
        ("/annotations/1/iscrowd", json!(1.0)),
        ("/categories/1/id", json!(3.0)),
        ("/annotations/0/confidence", json!("NaN")),
        ("/annotations/0/keypoints", json!(["NaN", { "a": "NaN" }])),
        ("/info", json!({ "mean": "NaN" })),
    ] {
        let text = written(&with(annotations(), pointer, value));
        let (read, _) = read_texts(&text, &results().to_string(), Segmentation).unwrap();
        assert_eq!(read.truth, expected.truth, "{text}");
    }
    for (pointer, value) in
        [("/0/image_id", json!(9.0)), ("/0/category_id", json!(90.0)), ("/0/uncertainty", json!("NaN"))]
    {
        let text = written(&with(results(), pointer, value));
        let (_, read) = read_texts(&annotations().to_string(), &text, Segmentation).unwrap();
        assert_eq!(read.detections, found.detections, "{text}");
    }
}

#[test]
fn a_bad_entry_is_named_in_every_list() {
    let said = |annotations: &str, results: &str| {
        let error = read_texts(annotations, results, BoundingBox).err().expect("it is refused");
        format!("{error:#}")
    };
    for (pointer, value, expected) in [
        ("/annotations/1/bbox/0", json!("NaN"), "at annotation 2: invalid type: NaN, expected f64"),
        ("/annotations/1/area", json!("NaN"), "at annotation 2: invalid type: NaN, expected f64"),
        (
            "/annotations/1/iscrowd",
            json!("0"),
            "at annotation 2: invalid type: string \"0\", expected 0, 1, false or true",
        ),
        ("/annotations/1/iscrowd", json!(2), "at annotation 2: invalid value: integer `2`"),
        ("/annotations/1/image_id", json!(-4), "at annotation 2: invalid value: integer `-4`"),
        ("/images/1/width", json!(1.5), "at image 4: invalid value: floating point `1.5`"),
        ("/images/1/height", json!(1e12), "at image 4: invalid value: "),
        ("/images/1/id", json!("four"), "at image \"four\": invalid type: string \"four\""),
        ("/categories/0/name", json!(7), "at category 90: invalid type: integer `7`"),
    ] {
        let said = said(&written(&with(annotations(), pointer, value)), &results().to_string());
        assert!(said.contains(expected) && said.contains("instances.json"), "{said}");
    }
    for (pointer, value, expected) in [
        ("/1/score", json!("NaN"), "at detection 2 (of image 4): invalid type: NaN, expected f64"),
        ("/1/bbox", json!([1, 2, 3]), "at detection 2 (of image 4): invalid length 3"),
    ] {
        let said = said(&annotations().to_string(), &written(&with(results(), pointer, value)));
        assert!(said.contains(expected) && said.contains("results.json"), "{said}");
    }
    let long = with(results(), "/1/score", json!("x".repeat(50_000)));
    let said_of_long = said(&annotations().to_string(), &long.to_string());
    assert!(said_of_long.len() < 500 && said_of_long.contains("detection 2"), "{said_of_long}");
    let whole = results().to_string();
    let cut = said(&annotations().to_string(), &whole[..whole.len() - 20]);
    assert!(cut.contains("behind detection 1 (of image 9): EOF while parsing"), "{cut}");
    let no_list = said(&annotations().to_string(), "{}");
    assert!(no_list.contains("is not a COCO results file: invalid type: map, expected a "), "{no_list}");
}

#[test]
fn boxes_are_measured_without_sizes_and_file_names_of_images() {
    let bare = ["/images/0/file_name", "/images/0/width", "/images/0/height"];
    let bare = bare.into_iter().fold(annotations(), without);
    let (instances, found) = read(&bare, &results(), BoundingBox).unwrap();
    assert_eq!((instances.truth.len(), found.detections.len()), (2, 2));
    let masks = ["/0/bbox", "/1/bbox"].into_iter().fold(results(), without);
    let said = format!("{:#}", read(&bare, &masks, BoundingBox).err().unwrap());
    assert!(said.contains("image 9 without `width` or `height`"), "the box of a mask needs it: {said}");
}

#[test]
fn what_is_no_json_is_named_for_what_it_is() {
    let (annotations, results) = (annotations().to_string(), results().to_string());
    let marked = |text: &str| format!("\u{feff}{text}");
    let (read, _) = read_texts(&marked(&annotations), &marked(&results), Segmentation).unwrap();
    assert_eq!(read.truth.len(), 2);
    let page = "<!DOCTYPE html>\n<html></html>";
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 20\n";
    for (text, expected) in [(page, "is an HTML page"), (pointer, "is a Git LFS pointer"), ("", "is empty")] {
        for (one, other) in [(text, &results[..]), (&annotations[..], text)] {
            let said = format!("{:#}", read_texts(one, other, BoundingBox).err().unwrap());
            assert!(said.contains(expected) && said.contains(".json"), "{said}");
        }
    }
}

#[test]
fn an_empty_polygon_is_no_mask() {
    for empty in [json!([]), json!([[]]), json!([[], []])] {
        let none = with(annotations(), "/annotations/0/segmentation", empty.clone());
        let (instances, found) = read(&none, &results(), Segmentation).unwrap();
        assert_eq!(
            (instances.truth.len(), found.detections.len()),
            (1, 1),
            "{empty}: image 9 is not measured on"
        );
        let [said] = instances.skipped.lines().try_into().unwrap();
        assert!(said.ends_with("image 9"), "{said}");
    }
    let odd = json!([[1.0, 2.0, 4.0, 2.0, 4.0, 6.0, 7.0]]);
    let odd = with(annotations(), "/annotations/0/segmentation", odd);
    let (instances, _) = read(&odd, &results(), Segmentation).unwrap();
    let (expected, _) = read(&annotations(), &results(), Segmentation).unwrap();
    assert_eq!(instances.truth, expected.truth);
    let said = "1 polygon ends with half a point, which is left out: annotation 1 of image 9 with 7 numbers";
    assert_eq!(instances.skipped.lines(), [said]);
}
