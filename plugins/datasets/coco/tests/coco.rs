//! COCO roots made on the spot.

use image::{Rgb, RgbImage};
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;
use univip_coco::{Coco, Config, Part};
use univip_core::dataset::{Annotation, Dataset, Split};
use univip_core::error::ImageError;
use univip_core::geometry::{BoundingBox, Size};
use univip_core::metrics::GroundTruth;
use univip_core::metrics::rle::Rle;
use univip_core::recipe::Table;

/// Two annotated images of 30 x 20, and `categories` that skip ids as COCO's do.
fn annotations() -> Value {
    json!({
        "info": { "year": 2017 },
        "images": [
            { "id": 9, "file_name": "b.png", "width": 30, "height": 20, "license": 4 },
            { "id": 4, "file_name": "a.png", "width": 30, "height": 20 },
        ],
        "annotations": [
            { "id": 1, "image_id": 9, "category_id": 90, "bbox": [1.0, 2.0, 3.0, 4.0], "iscrowd": 0,
              "segmentation": [[1.0, 2.0, 4.0, 2.0, 4.0, 6.0]], "area": 6.0 },
            { "id": 2, "image_id": 9, "category_id": 3, "bbox": [20.0, 10.0, 50.0, 5.0], "iscrowd": 1,
              "segmentation": { "counts": [1, 2, 3], "size": [20, 30] } },
            { "id": 3, "image_id": 9, "category_id": 3, "bbox": [40.0, 10.0, 5.0, 5.0] },
        ],
        "categories": [{ "id": 90, "name": "toothbrush" }, { "id": 3, "name": "car" }],
    })
}

fn root(annotations: &Value) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for directory in ["train2017", "unlabeled2017", "annotations"] {
        std::fs::create_dir(root.path().join(directory)).unwrap();
    }
    let save = |path: &str, red: u8| {
        RgbImage::from_pixel(30, 20, Rgb([red, 0, 0])).save(root.path().join(path)).unwrap();
    };
    save("train2017/a.png", 1);
    save("train2017/b.png", 2);
    save("unlabeled2017/d.png", 4);
    save("unlabeled2017/c.png", 3);
    std::fs::write(root.path().join("unlabeled2017/notes.txt"), "not an image").unwrap();
    let path = root.path().join("annotations/instances_train2017.json");
    std::fs::write(path, annotations.to_string()).unwrap();
    root
}

fn config(root: &Path) -> Config {
    Config { root: root.into(), ..Config::default() }
}

fn open_error(annotations: &Value) -> String {
    let root = root(annotations);
    format!("{:#}", Coco::open(&config(root.path()), Split::Train).unwrap_err())
}

#[test]
fn images_come_in_the_files_order_with_their_boxes_and_dense_classes() {
    let root = root(&annotations());
    let coco = Coco::open(&config(root.path()), Split::Train).unwrap();
    assert_eq!(coco.len(), 2);
    assert_eq!([coco.id(0), coco.id(1)], ["9", "4"]);
    assert_eq!(coco.classes(), ["car", "toothbrush"]);
    assert_eq!(coco.image(0).unwrap().get_pixel(0, 0), &Rgb([2, 0, 0]));
    let expected = [
        Annotation { bounding_box: BoundingBox::new(1, 2, 3, 4), class: 1, crowd: false },
        Annotation { bounding_box: BoundingBox::new(20, 10, 10, 5), class: 0, crowd: true },
    ];
    assert_eq!(coco.annotations(0).unwrap(), expected);
    assert_eq!(coco.annotations(1).unwrap(), []);
    assert_eq!(coco.label(0), None);
    let [dropped, clipped] = coco.skipped().lines().try_into().unwrap();
    assert!(dropped.starts_with("1 box has no area inside of its image"), "{dropped}");
    assert!(
        dropped.contains("annotation 3 of ") && dropped.contains("b.png with [40.0, 10.0, 5.0, 5.0]"),
        "{dropped}"
    );
    assert!(
        clipped.starts_with("1 box reaches out of its image") && clipped.contains("annotation 2 of "),
        "{clipped}"
    );
}

#[test]
fn masks_are_those_of_the_annotations_and_ground_truth_is_the_files() {
    let mut annotations = annotations();
    annotations["annotations"][1]["segmentation"]["counts"] = json!([2, 3, 595]);
    let root = root(&annotations);
    let coco = Coco::open(&config(root.path()), Split::Train).unwrap();
    let size = coco.size(0).unwrap();
    let triangle = Rle::from_polygons(size, [&[1.0, 2.0, 4.0, 2.0, 4.0, 6.0][..]]).unwrap();
    let crowd = Rle::new(size, &[2, 3, 595]).unwrap();
    let expected = [Some(triangle.clone()), Some(crowd)];
    assert_eq!(coco.masks(0).unwrap(), expected);
    assert_eq!(coco.masks(1).unwrap(), []);

    let truth = coco.ground_truth(0, true).unwrap();
    let of = |bounding_box, class, area, crowd, mask| GroundTruth {
        image: 0,
        class,
        bounding_box,
        area,
        crowd,
        ignore: false,
        mask,
    };
    assert_eq!(truth.len(), 3, "also the object that cannot be learnt from");
    assert_eq!(truth[0], of([1.0, 2.0, 3.0, 4.0], 1, 6.0, false, Some(triangle)));
    assert_eq!(truth[1], of([20.0, 10.0, 50.0, 5.0], 0, 250.0, true, expected[1].clone()));
    assert_eq!(truth[2], of([40.0, 10.0, 5.0, 5.0], 0, 25.0, false, None));
    let boxes = truth.into_iter().map(|object| GroundTruth { mask: None, ..object });
    assert!(coco.ground_truth(0, false).unwrap().into_iter().eq(boxes), "the same without masks");
}

#[test]
fn boxes_are_asked_for_without_reading_masks() {
    let mut broken = annotations();
    broken["annotations"][0]["segmentation"] = json!("none");
    let root = root(&broken);
    let coco = Coco::open(&config(root.path()), Split::Train).unwrap();
    assert_eq!(coco.ground_truth(0, false).unwrap().len(), 3);
    assert_eq!(coco.annotations(0).unwrap().len(), 2);
    assert!(coco.ground_truth(0, true).is_err());
}

#[test]
fn a_mask_that_cannot_be_read_is_named() {
    let runs = |counts: Value| json!({ "counts": counts, "size": [20, 30] });
    for (segmentation, expected) in [
        (runs(json!([1, 2, 3])), "the mask of annotation 2: a mask's runs have 6 pixels in all"),
        (runs(json!("0\u{1}")), "the mask of annotation 2: "),
        (runs(json!("P")), "the mask of annotation 2: "),
        (
            json!({ "counts": [600], "size": [30, 20] }),
            "the mask of annotation 2: its mask is of an image of 20 x 30",
        ),
        (runs(json!([-1, 601])), "at the segmentation of annotation 2: invalid value: integer `-1`"),
        (runs(json!([0.5])), "at the segmentation of annotation 2: invalid value: floating point `0.5`"),
        (json!({ "counts": [600] }), "at the segmentation of annotation 2: missing field `size`"),
        (
            json!({ "counts": "0", "size": 600 }),
            "at the segmentation of annotation 2: invalid type: integer `600`",
        ),
        (
            json!("none"),
            "at the segmentation of annotation 2: invalid type: string \"none\", expected polygons",
        ),
        (
            json!([1.0, 2.0, 4.0, 2.0]),
            "at the segmentation of annotation 2: invalid type: floating point `1.0`",
        ),
        (
            json!([["a", 2.0]]),
            "at the segmentation of annotation 2: invalid type: string \"a\", expected f64",
        ),
        (json!([[1.0, null]]), "at the segmentation of annotation 2: invalid type: null, expected f64"),
    ] {
        let mut broken = annotations();
        broken["annotations"][1]["segmentation"] = segmentation.clone();
        let root = root(&broken);
        let coco = Coco::open(&config(root.path()), Split::Train).unwrap();
        let error = format!("{:#}", coco.masks(0).unwrap_err());
        assert!(
            error.contains("instances_train2017.json") && error.contains(expected),
            "{segmentation} said {error:?}, expected {expected:?}"
        );
    }
}

#[test]
fn an_annotation_that_is_none_is_named() {
    for (pointer, value, expected) in [
        ("/annotations/1/bbox", json!([1.0, 2.0, 3.0]), "at annotation 2: invalid length 3"),
        ("/annotations/1/bbox/2", json!("wide"), "at annotation 2: invalid type: string \"wide\""),
        ("/annotations/1/image_id", json!("9"), "at annotation 2: invalid type: string \"9\""),
        ("/annotations/1/id", json!("two"), "at annotation \"two\": invalid type: string \"two\""),
        ("/images/1/width", json!(-1), "at image 4: invalid value: integer `-1`"),
    ] {
        let mut broken = annotations();
        *broken.pointer_mut(pointer).unwrap() = value;
        let error = open_error(&broken);
        assert!(
            error.contains("instances_train2017.json") && error.contains(expected),
            "{pointer} said {error:?}, expected {expected:?}"
        );
    }
    // Python writes NaN, which is no JSON; a file that is cut off is none for Python either.
    for (from, to, expected) in [
        ("20.0", "NaN", "at annotation 2: invalid type: NaN, expected f64"),
        ("1.0,2.0,3.0,4.0", "NaN,2.0,3.0,4.0", "at annotation 1: invalid type: NaN, expected f64"),
    ] {
        let root = root(&annotations());
        let path = root.path().join("annotations/instances_train2017.json");
        let text = annotations().to_string();
        assert!(text.contains(from));
        std::fs::write(&path, text.replace(from, to)).unwrap();
        let error = format!("{:#}", Coco::open(&config(root.path()), Split::Train).unwrap_err());
        assert!(error.contains(expected), "{error}");
        std::fs::write(&path, &text[..text.find("\"bbox\":[40").unwrap()]).unwrap();
        let error = format!("{:#}", Coco::open(&config(root.path()), Split::Train).unwrap_err());
        assert!(error.contains("behind annotation 2: EOF while parsing"), "{error}");
    }
}

#[test]
fn a_polygon_that_is_none_is_counted_and_skipped() {
    let mut short = annotations();
    short["annotations"][0]["segmentation"] = json!([[1.0, 2.0, 4.0, 2.0], [1.0, 2.0, 4.0, 2.0, 4.0, 6.0]]);
    short["annotations"][1]["segmentation"] = json!([[1.0, 2.0, 4.0, 2.0, 4.0]]);
    let root = self::root(&short);
    let coco = Coco::open(&config(root.path()), Split::Train).unwrap();
    let [some, none] = coco.masks(0).unwrap().try_into().unwrap();
    assert!(some.is_some_and(|mask| mask.area() > 0) && none.is_none());
    let lines = coco.skipped().lines();
    let expected = "2 polygons are skipped: annotation 1: a polygon has 2 points; expected at least three";
    assert!(lines.iter().any(|line| line.starts_with(expected)), "{lines:?}");
}

#[test]
fn a_file_name_leads_to_no_other_file_of_the_machine() {
    for (name, expected) in [
        (json!("/dev/zero"), "image 9: the file name \"/dev/zero\" is not of a file below "),
        (
            json!("../../../../etc/passwd"),
            "image 9: the file name \"../../../../etc/passwd\" is not of a file below ",
        ),
        (
            json!("\u{1b}]0;owned\u{7}\u{1b}[2J a.jpg\nerror: all is well"),
            r#"image 9: the file name "\u{1b}]0;owned\u{7}"#,
        ),
        (json!(""), "image 9: the file name \"\" is not of a file below "),
        (Value::Null, "1 of 2 images has no `file_name`: image 9"),
    ] {
        let mut hostile = annotations();
        hostile["images"][0]["file_name"] = name;
        let error = open_error(&hostile);
        assert!(error.contains(expected) && error.contains("instances_train2017.json"), "{error}");
        assert!(!error.contains(char::is_control), "{error:?}");
    }
}

#[cfg(unix)]
#[test]
fn an_image_may_be_a_link_out_of_its_directory_only_where_the_recipe_says_so() {
    let (root, elsewhere) = (root(&annotations()), tempfile::tempdir().unwrap());
    let image = root.path().join("train2017/b.png");
    std::fs::rename(&image, elsewhere.path().join("b.png")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path().join("b.png"), &image).unwrap();
    let mut config = config(root.path());
    let error = Coco::open(&config, Split::Train).unwrap().image(0).unwrap_err();
    assert!(error.to_string().contains("follow_links = true"), "{error}");
    assert!(matches!(error, ImageError::Broken { path, .. } if path == image));
    config.follow_links = true;
    assert_eq!(Coco::open(&config, Split::Train).unwrap().image(0).unwrap().dimensions(), (30, 20));
    assert!(!Table::of("root = '/data'").read::<Config>().unwrap().follow_links);
}

#[test]
fn what_macos_puts_beside_images_is_no_image() {
    let root = root(&annotations());
    std::fs::write(root.path().join("unlabeled2017/._c.png"), "not an image").unwrap();
    std::fs::copy(root.path().join("unlabeled2017/c.png"), root.path().join("unlabeled2017/e.WEBP")).unwrap();
    let mut config = config(root.path());
    config.train = vec![Part { images: "unlabeled2017".into(), annotations: None }];
    let coco = Coco::open(&config, Split::Train).unwrap();
    let ids: Vec<String> = (0..coco.len()).map(|index| coco.id(index)).collect();
    assert_eq!(ids, ["c.png", "d.png", "e.WEBP"]);
    let [said] = coco.skipped().lines().try_into().unwrap();
    assert!(said.starts_with("1 file has no ending of an image") && said.ends_with("notes.txt"), "{said}");
}

#[test]
fn sizes_of_annotated_images_need_no_file_and_a_missing_one_is_named() {
    let root = root(&annotations());
    let missing = root.path().join("train2017/b.png");
    std::fs::remove_file(&missing).unwrap();
    let coco = Coco::open(&config(root.path()), Split::Train).unwrap();
    assert_eq!(coco.size(0).unwrap(), Size { width: 30, height: 20 });
    assert!(matches!(coco.image(0), Err(ImageError::Broken { path, .. }) if path == missing));
}

#[test]
fn coco_plus_adds_a_directory_without_annotations() {
    let root = root(&annotations());
    let mut config = config(root.path());
    config.train.push(Part { images: "unlabeled2017".into(), annotations: None });
    let coco = Coco::open(&config, Split::Train).unwrap();
    let ids: Vec<String> = (0..coco.len()).map(|index| coco.id(index)).collect();
    assert_eq!(ids, ["9", "4", "c.png", "d.png"]);
    assert_eq!(coco.size(2).unwrap(), Size { width: 30, height: 20 });
    assert_eq!(coco.annotations(2).unwrap(), []);
}

#[test]
fn the_annotated_part_of_coco_plus_is_coco() {
    let root = root(&annotations());
    let labelled = config(root.path());
    let coco = Coco::open(&labelled, Split::Train).unwrap();
    assert!(coco.annotated_part().unwrap().is_none(), "it is the whole");
    let mut plus = labelled.clone();
    plus.train.insert(0, Part { images: "unlabeled2017".into(), annotations: None });
    let whole = Coco::open(&plus, Split::Train).unwrap();
    assert_ne!(whole.identity(), coco.identity());
    let part = whole.annotated_part().unwrap().expect("a part");
    assert_eq!((part.len(), part.identity()), (2, coco.identity()));
    for index in 0..2 {
        assert_eq!(part.ground_truth(index, false).unwrap(), coco.ground_truth(index, false).unwrap());
    }
    plus.train.truncate(1);
    let unlabelled = Coco::open(&plus, Split::Train).unwrap();
    assert!(unlabelled.annotated_part().unwrap().is_none(), "nothing is annotated");
}

#[test]
fn the_digest_tells_splits_apart_and_roots_not() {
    let digest = |annotations: &Value| {
        let root = root(annotations);
        Coco::open(&config(root.path()), Split::Train).unwrap().digest()
    };
    let same = digest(&annotations());
    assert_eq!(same.len(), 16);
    assert_eq!(same, digest(&annotations()));
    for (pointer, value) in [
        ("/annotations/0/bbox/0", json!(2.0)),
        ("/annotations/0/bbox/0", json!(1.25)),
        ("/annotations/0/area", json!(7.0)),
        ("/annotations/0/iscrowd", json!(1)),
        ("/annotations/0/segmentation/0/0", json!(1.5)),
        ("/annotations/2/bbox/0", json!(41.0)),
        ("/annotations/0/category_id", json!(3)),
        ("/images/1/id", json!(5)),
        ("/images/1/width", json!(31)),
        ("/categories/0/name", json!("brush")),
    ] {
        let mut other = annotations();
        *other.pointer_mut(pointer).unwrap() = value;
        assert_ne!(same, digest(&other), "{pointer}");
    }
}

#[test]
fn a_contradictory_file_is_refused_with_what_is_wrong() {
    for (pointer, value, expected) in [
        (
            "/annotations/0/image_id",
            json!(77),
            "1 of 3 annotations is of an image that is not listed: annotation 1 of image 77",
        ),
        (
            "/annotations/0/category_id",
            json!(77),
            "1 of 3 annotations is of a category that is not listed: annotation 1 of category 77",
        ),
        ("/images/1/id", json!(9), "1 of 2 images is listed twice: image 9"),
        ("/images/1/width", json!(0), "1 of 2 images has no size: image 4 of 0 x 20"),
        ("/images", json!([]), "3 of 3 annotations are of images that are not listed"),
        ("/images", json!("none"), "is not a COCO annotation file"),
    ] {
        let mut broken = annotations();
        *broken.pointer_mut(pointer).unwrap() = value;
        let error = open_error(&broken);
        assert!(error.contains(expected) && error.contains("instances_train2017.json"), "{error}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let root = root(&annotations());
    let error = |config: &Config, split| format!("{:#}", Coco::open(config, split).unwrap_err());
    assert!(error(&config(root.path()), Split::Val).contains("instances_val2017.json; check `root`"));
    assert!(
        error(&config(Path::new("/nowhere")), Split::Train).contains("root `/nowhere` is not a directory")
    );
    let unset = Table::of("").read::<Config>().unwrap_err().to_string();
    assert!(unset.contains("root") && unset.contains("is not set"), "{unset}");
    assert!(Table::of("rot = '/data'").read::<Config>().is_err());
    let plus = Table::of("root = '/data'\ntrain = [{ images = 'unlabeled2017' }]").read::<Config>().unwrap();
    assert_eq!(plus.train, [Part { images: "unlabeled2017".into(), annotations: None }]);
    assert_eq!(plus.val, Config::default().val);
}
