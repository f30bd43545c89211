//! `univip coco-eval`, as a user types it, on detections that pycocotools measured.

mod common;

use anyhow::{Context, Result, ensure};
use common::{output, stdout};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// A case of core's fixture, written as COCO's two files into a directory; the case.
fn files(name: &str, directory: &Path) -> Result<Value> {
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/vision/tests/fixtures/metrics/coco.json");
    let cases: Vec<Value> = serde_json::from_slice(&fs::read(fixture)?)?;
    let case = cases.into_iter().find(|case| case["name"] == name).context("no such case")?;
    let rows = |key: &str| case[key].as_array().cloned().unwrap_or_default();
    let mask = |row: &Value, place: usize| json!({ "size": [180, 240], "counts": row[place] });
    let annotations: Vec<Value> = (rows("truth").iter().enumerate())
        .map(|(number, row)| {
            let mut object = json!({
                "id": number + 1, "image_id": row[0], "category_id": row[1], "bbox": [row[2], row[3], row[4], row[5]],
                "area": row[6], "iscrowd": row[7],
            });
            if case["type"] == "segm" {
                object["segmentation"] = mask(row, 8);
            }
            object
        })
        .collect();
    let results: Vec<Value> = rows("found")
        .iter()
        .map(|row| {
            let mut found = json!({ "image_id": row[0], "category_id": row[1], "score": row[6] });
            match case["segm"].as_str() {
                Some("masks") => found["segmentation"] = mask(row, 7),
                Some("") => found["bbox"] = json!([row[2], row[3], row[4], row[5]]),
                _ => {
                    found["segmentation"] = mask(row, 7);
                    found["bbox"] = json!([row[2], row[3], row[4], row[5]]);
                }
            }
            found
        })
        .collect();
    let images: Vec<Value> = [3, 5, 7, 8, 11, 42, 77]
        .map(|id| json!({ "id": id, "file_name": "a.jpg", "width": 240, "height": 180 }))
        .to_vec();
    let categories: Vec<Value> =
        (0..rows("classes").len()).map(|id| json!({ "id": id, "name": format!("kind-{id}") })).collect();
    let instances = json!({ "images": images, "annotations": annotations, "categories": categories });
    fs::write(directory.join("instances.json"), instances.to_string())?;
    fs::write(directory.join("detections.json"), Value::from(results).to_string())?;
    Ok(case)
}

fn command<'a>(paths: &'a [String; 2], more: &[&'a str]) -> Vec<&'a str> {
    [&["coco-eval", "--annotations", &paths[0], "--detections", &paths[1]], more].concat()
}

fn paths(directory: &Path) -> [String; 2] {
    ["instances.json", "detections.json"].map(|name| directory.join(name).to_string_lossy().into_owned())
}

#[test]
fn the_numbers_are_pycocotools_for_boxes_and_masks() -> Result<()> {
    for name in ["boxes", "crowds", "masks", "masks sized by their boxes"] {
        let directory = tempfile::tempdir()?;
        let case = files(name, directory.path())?;
        let (paths, json) = (paths(directory.path()), directory.path().join("numbers.json"));
        let left = directory.path().join(".numbers.json.0123456789abcdef.tmp");
        fs::write(&left, "half")?;
        let (kind, json) = (case["type"].as_str().context("a type")?, json.to_string_lossy());
        let text =
            stdout(&command(&paths, &["--type", kind, "--per-class", "--json", &json]), directory.path())?;
        let numbers: Value = serde_json::from_slice(&fs::read(&*json)?)?;
        let expected = case["summary"].as_array().context("numbers")?;
        let names = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"];
        for (key, expected) in names.iter().zip(expected) {
            let (ours, expected) = (numbers["summary"][key].as_f64(), expected.as_f64());
            let (ours, expected) = (ours.context("a number")?, expected.context("a number")?);
            ensure!((ours - expected).abs() < 1e-9, "{name}: {key} is {ours}, expected {expected}");
            let printed = if expected < 0.0 { "-1".to_string() } else { format!("{expected:.4}") };
            let line = text.lines().find(|line| line.starts_with(&format!("{key} ")));
            ensure!(line.is_some_and(|line| line.contains(&printed)), "{key} {printed} is not in {text}");
        }
        ensure!(text.contains("kind-0"), "no table of classes: {text}");
        ensure!(!left.exists(), "what a killed command left is still there");
    }
    Ok(())
}

#[test]
fn what_cannot_be_used_is_said_and_the_exit_code_tells() -> Result<()> {
    let directory = tempfile::tempdir()?;
    files("boxes", directory.path())?;
    let good = paths(directory.path());
    let write = |name: &str, text: &str| -> Result<String> {
        let path = directory.path().join(name);
        fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    };
    let foreign =
        write("foreign.json", r#"[{"image_id": 1, "category_id": 0, "score": 1, "bbox": [1, 2, 3, 4]}]"#)?;
    let broken = write("broken.json", "[{")?;
    let missing = directory.path().join("nowhere.json").to_string_lossy().into_owned();
    for (file, code, expected) in [
        (&foreign, 1, "1 of 1 detections is in an image that the annotation file does not list: image 1"),
        (&broken, 1, "broken.json is not a COCO results file"),
        (&missing, 2, "nowhere.json: "),
    ] {
        let paths = [good[0].clone(), file.clone()];
        let output = output(&command(&paths, &[]), directory.path())?;
        let text = String::from_utf8(output.stderr)?;
        ensure!(output.status.code() == Some(code) && text.contains(expected), "{file}: {text}");
    }
    let output = output(&command(&good, &["--type", "boxes"]), directory.path())?;
    ensure!(output.status.code() == Some(2), "an unknown type is a usage error");
    let text = stdout(&["coco-eval", "--help"], directory.path())?;
    ensure!(text.contains("--per-class") && text.contains("Examples:"), "{text}");
    Ok(())
}

#[test]
fn warnings_count_what_was_skipped() -> Result<()> {
    let directory = tempfile::tempdir()?;
    files("boxes without an area", directory.path())?;
    let paths = paths(directory.path());
    let output = output(&command(&paths, &[]), directory.path())?;
    let text = String::from_utf8(output.stderr)?;
    ensure!(output.status.success(), "{text}");
    ensure!(text.contains("warning: 1 object has a box without an area"), "{text}");
    Ok(())
}
