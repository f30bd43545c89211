//! Pre-training and detection on a dataset in COCO's format, as a user types it.

mod common;

use anyhow::{Context, Result, ensure};
use common::{ROW, evaluations, output, run_directory};
use image::{Rgb, RgbImage};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const WIDTH: u32 = 96;
const HEIGHT: u32 = 80;

/// A COCO root: 12 images to learn from and 4 to measure on, each with a red object and a green one, and one image of each
/// split with all that annotations may be.
fn root() -> Result<TempDir> {
    let root = tempfile::tempdir()?;
    for (split, images) in [("train2017", 12), ("val2017", 4)] {
        fs::create_dir_all(root.path().join(split))?;
        let listed: Vec<Value> = (0..images)
            .map(|number| {
                let file = draw(&root.path().join(split), number)?;
                Ok(json!({ "id": 100 + number, "file_name": file, "width": WIDTH, "height": HEIGHT }))
            })
            .collect::<Result<_>>()?;
        let plain = (0..images).flat_map(|number| {
            let object = move |(place, bounds): (usize, [u32; 4])| {
                let [x, y, width, height] = bounds;
                let (right, bottom) = (x + width, y + height);
                json!({
                    "id": 1000 + 10 * number + place as u32, "image_id": 100 + number, "category_id": if place == 0 { 3 } else { 90 },
                    "bbox": bounds, "area": width * height, "iscrowd": 0,
                    "segmentation": [[x, y, right, y, right, bottom, x, bottom]],
                })
            };
            boxes(number).into_iter().enumerate().map(object)
        });
        let file = json!({
            "images": listed,
            "annotations": plain.chain(odd()).collect::<Vec<_>>(),
            "categories": [{ "id": 90, "name": "green" }, { "id": 3, "name": "red" }, { "id": 7, "name": "grey" }],
        });
        fs::create_dir_all(root.path().join("annotations"))?;
        fs::write(annotations(root.path(), split), file.to_string())?;
    }
    Ok(root)
}

fn annotations(root: &Path, split: &str) -> PathBuf {
    root.join(format!("annotations/instances_{split}.json"))
}

/// The red object of an image and the green one.
fn boxes(number: u32) -> [[u32; 4]; 2] {
    [[6 + number % 5, 8 + number % 3, 34, 44], [54, 20 + number % 7, 32, 30]]
}

/// Writes an image as JPEG or PNG; the file's name.
fn draw(directory: &Path, number: u32) -> Result<String> {
    let objects = boxes(number).into_iter().zip([Rgb([220, 30, 30]), Rgb([30, 200, 30])]);
    let mut image =
        RgbImage::from_fn(WIDTH, HEIGHT, |x, y| Rgb([x as u8, y as u8, (40 + 10 * number) as u8]));
    for ([left, top, width, height], colour) in objects {
        for (x, y) in (left..left + width).flat_map(|x| (top..top + height).map(move |y| (x, y))) {
            image.put_pixel(x, y, colour);
        }
    }
    let name = format!("{number:03}.{}", if number.is_multiple_of(2) { "jpg" } else { "png" });
    image.save(directory.join(&name))?;
    Ok(name)
}

/// Objects of image 100, each odd in its own way.
fn odd() -> Vec<Value> {
    let half = WIDTH * HEIGHT / 2;
    let object =
        |id: u32, bounds: [f64; 4]| json!({ "id": id, "image_id": 100, "category_id": 3, "bbox": bounds });
    let with = |mut object: Value, key: &str, value: Value| {
        object[key] = value;
        object
    };
    let crowd = with(object(3, [48.0, 0.0, 48.0, 80.0]), "iscrowd", json!(1));
    let crowd = with(crowd, "category_id", json!(7));
    vec![
        with(crowd, "segmentation", json!({ "counts": [half, half], "size": [HEIGHT, WIDTH] })),
        object(4, [2.5, 2.5, 30.0, 20.0]),
        object(5, [10.0, 10.0, 0.0, 5.0]),
        with(object(6, [40.0, 40.0, 30.0, 30.0]), "segmentation", json!([[40.0, 40.0, 70.0, 70.0]])),
        with(object(7, [60.0, 50.0, 70.0, 20.0]), "segmentation", json!([[60, 50, 130, 50, 130, 70]])),
    ]
}

/// A row that is pre-trained on the root and measured by these evaluators; the exit code and standard error.
fn pre_trained(root: &Path, evaluators: &str, runs: &Path) -> Result<(Option<i32>, String)> {
    let (data, set) = (format!("coco={}", root.display()), format!("evaluators.use={evaluators}"));
    let output = output(&[&ROW[..], &["--data", &data, "--set", &set]].concat(), runs)?;
    Ok((output.status.code(), String::from_utf8(output.stderr)?))
}

/// Measures the run again, by detection and then by its neighbours; the exit code and standard error.
fn measured(more: &[&str], runs: &Path) -> Result<(Option<i32>, String)> {
    let evaluate = ["evaluate", "table7-e", "--with", "detection,knn", "--runs"];
    let output = output(&[&evaluate[..], &[&runs.display().to_string()], more].concat(), runs)?;
    Ok((output.status.code(), String::from_utf8(output.stderr)?))
}

/// The names of the numbers that an evaluator measured, and the numbers.
fn numbers(run: &Path, evaluator: &str) -> Result<Vec<(String, f64)>> {
    let lines = evaluations(run)?;
    let lines = lines.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let own = lines.iter().filter(|line| line["evaluator"] == evaluator);
    own.map(|line| {
        let metric = &line["metric"];
        let name = metric["name"].as_str().context("no name")?;
        Ok((name.to_string(), metric["value"].as_f64().context("no value")?))
    })
    .collect()
}

#[test]
fn the_whole_path_runs_and_says_what_it_skipped() -> Result<()> {
    let (root, runs) = (root()?, tempfile::tempdir()?);
    let (code, said) = pre_trained(root.path(), "[\"detection\"]", runs.path())?;
    ensure!(code == Some(0), "{said}");
    let (dropped, cut) =
        ("box has no area inside of its image and is skipped", "box reaches out of its image and");
    for (place, count, of) in [
        ("coco: ", format!("1 {dropped}: annotation 5 of "), "train2017/000.jpg"),
        ("coco: ", format!("1 {cut} is cut off: annotation 7 of "), "train2017/000.jpg"),
        (
            "detection: coco, split train: ",
            "1 polygon is skipped: annotation 6: ".into(),
            "a polygon has 2 points",
        ),
        (
            "detection: coco, split val: ",
            "1 polygon is skipped: annotation 6: ".into(),
            "a polygon has 2 points",
        ),
        ("detection: coco, split val: ", format!("1 {dropped}: annotation 5 of "), "val2017/000.jpg"),
    ] {
        let found = said.lines().any(|line| line.contains(&format!("{place}{count}")) && line.contains(of));
        ensure!(found, "no line {place}{count}...{of} in\n{said}");
    }
    let run = run_directory(runs.path(), "table7-e")?;
    let numbers = numbers(&run, "detection")?;
    let value = |name: &str| numbers.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
    for name in ["bbox_ap", "bbox_ap50", "mask_ap", "mask_ap50"] {
        ensure!(value(name).is_some_and(|value| (0.0..=100.0).contains(&value)), "{name} in {numbers:?}");
    }
    ensure!(value("mask_images") == Some(3.0), "of one of four images an object has no mask: {numbers:?}");
    Ok(())
}

#[test]
fn a_missing_image_costs_that_image_in_pre_training_and_in_measuring() -> Result<()> {
    let (root, runs) = (root()?, tempfile::tempdir()?);
    let missing = root.path().join("train2017/003.png");
    fs::remove_file(&missing)?;
    let (code, said) = pre_trained(root.path(), "[\"knn\"]", runs.path())?;
    ensure!(code == Some(0) && said.contains(&missing.display().to_string()), "{code:?}: {said}");
    let run = run_directory(runs.path(), "table7-e")?;
    let before = numbers(&run, "knn")?;
    let (code, said) = measured(&[], runs.path())?;
    let named = format!("detection: 1 image cannot be read and is skipped: {}", missing.display());
    ensure!(code == Some(0) && said.contains(&named), "{code:?}: {said}");
    ensure!(numbers(&run, "knn")? == [&before[..], &before[..]].concat(), "the other's numbers are kept");
    ensure!(numbers(&run, "detection")?.iter().any(|(name, _)| name == "bbox_ap"));
    Ok(())
}

#[test]
fn annotations_that_cannot_be_used_are_named_and_cost_the_others_nothing() -> Result<()> {
    let root = root()?;
    let file = annotations(root.path(), "val2017");
    let whole: Value = serde_json::from_slice(&fs::read(&file)?)?;
    // The eight plain objects come first, the crowd is the ninth.
    let cases = [
        (
            "/annotations/8/image_id",
            json!(77),
            "1 of 13 annotations is of an image that is not listed: annotation 3 of image 77",
        ),
        (
            "/annotations/8/category_id",
            json!(8),
            "annotations is of a category that is not listed: annotation 3 of category 8",
        ),
        ("/annotations/8/bbox", json!("wide"), "at annotation 3: invalid type: string \"wide\""),
        (
            "/annotations/8/segmentation/counts",
            json!([1, 2]),
            "the mask of annotation 3: a mask's runs have 3 pixels in all",
        ),
        (
            "/annotations/8/segmentation",
            json!("none"),
            "at the segmentation of annotation 3: invalid type: string \"none\"",
        ),
    ];
    for (pointer, value, expected) in cases {
        // A run of its own: one that has been measured on other annotations refuses these.
        let runs = tempfile::tempdir()?;
        fs::write(&file, whole.to_string())?;
        let (code, said) = pre_trained(root.path(), "[\"knn\"]", runs.path())?;
        ensure!(code == Some(0), "{said}");
        let run = run_directory(runs.path(), "table7-e")?;
        let once = numbers(&run, "knn")?;
        let mut broken = whole.clone();
        *broken.pointer_mut(pointer).context(pointer)? = value;
        fs::write(&file, broken.to_string())?;
        let (code, said) = measured(&[], runs.path())?;
        let named = said.contains("evaluator `detection`") && said.contains("instances_val2017.json");
        ensure!(code == Some(1) && named && said.contains(expected), "{pointer} gave {code:?}: {said}");
        let twice = [&once[..], &once[..]].concat();
        ensure!(numbers(&run, "knn")? == twice, "{pointer}: the other's numbers are kept");
        ensure!(numbers(&run, "detection")?.is_empty(), "{pointer}");
        if pointer.ends_with("/segmentation") {
            // A detector of boxes reads no masks.
            let boxes = ["--set", "evaluator.detection.architecture=faster-rcnn"];
            let (code, said) = measured(&boxes, runs.path())?;
            ensure!(code == Some(0) && !said.contains("polygons"), "{code:?}: {said}");
            ensure!(numbers(&run, "detection")?.iter().any(|(name, _)| name == "bbox_ap"));
        }
    }
    // The training images are looked at before anything is run.
    fs::write(annotations(root.path(), "train2017"), fs::read_to_string(&file)?.replace("1000", "1010"))?;
    let (code, said) = pre_trained(root.path(), "[\"knn\"]", tempfile::tempdir()?.path())?;
    let twice = "1 of 13 annotations has the id of another: annotation 1010";
    ensure!(code == Some(2) && said.contains(twice) && said.contains("--data"), "{code:?}: {said}");
    Ok(())
}

#[test]
fn annotations_of_another_size_are_refused_before_any_step() -> Result<()> {
    let (root, runs) = (root()?, tempfile::tempdir()?);
    let data = format!("coco={}", root.path().display());
    let ground_truth = ["ablate", "table8b", "--row", "ground-truth", "--scale", "smoke", "--data", &data];
    let image = root.path().join("train2017/003.png");
    let whole = image::load_from_memory(&fs::read(&image)?)?;
    whole.thumbnail_exact(WIDTH / 2, HEIGHT / 2).save(&image)?;
    let refused = |row: &[&str], evaluators: &str| -> Result<()> {
        let set = format!("evaluators.use={evaluators}");
        let output = output(&[row, &["--data", &data, "--set", &set]].concat(), runs.path())?;
        let text = String::from_utf8(output.stderr)?;
        ensure!(output.status.code() == Some(1), "{text}");
        for part in ["image 103 (", "003.png) is 48 x 40 pixels", "annotated at 96 x 80"] {
            ensure!(text.contains(part), "{row:?} said {text:?}, expected {part:?}");
        }
        Ok(())
    };
    refused(&ground_truth[..6], "[\"knn\"]")?;
    refused(&ROW, "[\"detection\"]")?;
    for run in ["table8b-ground-truth", "table7-e"] {
        let metrics = run_directory(runs.path(), run)?.join("metrics.jsonl");
        let steps = fs::read_to_string(metrics).unwrap_or_default();
        ensure!(!steps.contains("\"step\""), "{run} has trained: {steps}");
    }
    // So is the recall of annotated boxes.
    let place = runs.path().display().to_string();
    let stats = output(&["proposals", "stats", "--data", &data, "--runs", &place], runs.path())?;
    let said = String::from_utf8(stats.stderr)?;
    ensure!(stats.status.code() == Some(1) && said.contains("annotated at 96 x 80"), "{said}");
    // Boxes that come from the pixels fit them, whatever is annotated.
    let (code, said) = pre_trained(root.path(), "[\"knn\"]", runs.path())?;
    ensure!(code == Some(0), "{said}");
    Ok(())
}

#[test]
fn classes_are_matched_by_their_names_and_an_unknown_one_is_named() -> Result<()> {
    let (root, runs) = (root()?, tempfile::tempdir()?);
    let file = annotations(root.path(), "val2017");
    let whole: Value = serde_json::from_slice(&fs::read(&file)?)?;
    let with_classes = |classes: Value| -> Result<(Option<i32>, String)> {
        let mut other = whole.clone();
        other["categories"] = classes;
        fs::write(&file, other.to_string())?;
        pre_trained(root.path(), "[\"detection\"]", runs.path())
    };
    let (grey, green) = (json!({ "id": 7, "name": "grey" }), json!({ "id": 90, "name": "green" }));
    let (code, said) = with_classes(json!([{ "id": 3, "name": "read" }, grey, green]))?;
    let named = "1 of val's 3 classes is not in train, the first is `read`";
    ensure!(code == Some(1) && said.contains(named), "{code:?}: {said}");
    let trained = run_directory(runs.path(), "table7-e")?.join("backbone.safetensors");
    ensure!(!trained.exists(), "it is known before the training");
    // Red and green have each other's numbers: each is still measured as what it is called.
    let (code, said) =
        with_classes(json!([{ "id": 3, "name": "green" }, grey, { "id": 90, "name": "red" }]))?;
    let matched =
        "`green` is class 0 of val's 3 and class 2 of train's 3; classes are matched by their names";
    ensure!(code == Some(0) && said.contains(matched), "{code:?}: {said}");
    let run = run_directory(runs.path(), "table7-e")?;
    ensure!(numbers(&run, "detection")?.iter().any(|(name, _)| name == "bbox_ap"));
    Ok(())
}

/// The split of the numbers that a run measured by detection, and the digest of the images that it learned from.
fn splits(run: &Path) -> Result<(String, String)> {
    let lines = evaluations(run)?;
    let line: Value = serde_json::from_str(lines.lines().next().context("no number")?)?;
    let record: Value = serde_json::from_slice(&fs::read(run.join("run.json"))?)?;
    let text = |value: &Value| value.as_str().map(String::from).context("no text");
    Ok((text(&line["metric"]["split"])?, text(&record["data_digest"])?))
}

/// COCO+: images that nobody annotated are learnt from, and are no scenes without objects.
#[test]
fn unlabelled_images_are_learnt_from_and_no_detector_sees_them() -> Result<()> {
    let (root, runs) = (root()?, [tempfile::tempdir()?, tempfile::tempdir()?]);
    let unlabelled = root.path().join("unlabeled2017");
    fs::create_dir_all(&unlabelled)?;
    for number in 20..27 {
        draw(&unlabelled, number)?;
    }
    fs::write(unlabelled.join("broken.jpg"), "no image")?;
    let [plain, plus] = &runs;
    let (code, said) = pre_trained(root.path(), "[\"detection\"]", plain.path())?;
    ensure!(code == Some(0) && !said.contains("broken.jpg"), "{said}");
    let train = "dataset.coco.train=[{ images = \"train2017\", annotations = \"annotations/instances_train2017.json\" }, { images = \
                 \"unlabeled2017\" }]";
    let data = format!("coco={}", root.path().display());
    let more = ["--data", &data, "--set", train, "--set", "evaluators.use=[\"detection\"]"];
    let output = output(&[&ROW[..], &more].concat(), plus.path())?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(output.status.success(), "{said}");
    ensure!(said.contains("broken.jpg") && !said.contains("detection: 1 image"), "{said}");
    let [(scenes, learned), (scenes_of_plus, learned_by_plus)] = [
        splits(&run_directory(plain.path(), "table7-e")?)?,
        splits(&run_directory(plus.path(), "table7-e")?)?,
    ];
    ensure!(scenes == scenes_of_plus, "detectors learned from {scenes} and {scenes_of_plus}");
    ensure!(learned != learned_by_plus, "pre-training did not see the unlabelled images");
    Ok(())
}
