//! Runs and stores are of the images that they were made of, whatever these are called and wherever they lie.

mod common;

use anyhow::{Context, Result, ensure};
use common::{output, run_directory, stdout, univip};
use image::{Rgb, RgbImage};
use serde_json::json;
use std::fs;
use std::path::Path;

/// A row that only needs pixels.
const ROW: [&str; 10] = [
    "ablate",
    "table7",
    "--row",
    "b",
    "--scale",
    "smoke",
    "--set",
    "train.batch=2",
    "--set",
    "evaluators.use=[\"knn\"]",
];

/// Labelled images of two classes, two of each to learn from; `red` tells one folder's images from another's.
fn folder(root: &Path, red: u8) -> Result<()> {
    for (place, name) in
        ["train/a/0", "train/a/1", "train/b/0", "train/b/1", "val/a/0", "val/b/0"].iter().enumerate()
    {
        let path = root.join(format!("{name}.png"));
        fs::create_dir_all(path.parent().context("no parent")?)?;
        draw(&path, [60, 48], [red, 40 * place as u8])?;
    }
    Ok(())
}

/// A block on a ramp, which selective search finds.
fn draw(path: &Path, [width, height]: [u32; 2], [red, green]: [u8; 2]) -> Result<()> {
    let left = u32::from(red) % 20 + 4;
    let pixel = |x, y| match (left..left + 24).contains(&x) && (8..30).contains(&y) {
        true => Rgb([red, green, 250]),
        false => Rgb([x as u8, y as u8, 20]),
    };
    Ok(RgbImage::from_fn(width, height, pixel).save(path)?)
}

/// The exit code and standard error.
fn said(arguments: &[&str], runs: &Path) -> Result<(Option<i32>, String)> {
    let output = output(arguments, runs)?;
    Ok((output.status.code(), String::from_utf8(output.stderr)?))
}

#[test]
fn folders_of_equal_names_never_share_boxes() -> Result<()> {
    equal_names("image-folder", "")
}

#[test]
fn nor_do_unlabelled_ones() -> Result<()> {
    equal_names("images", "train")
}

/// Two folders of equal names; `inside` is where their images are for the dataset.
fn equal_names(dataset: &str, inside: &str) -> Result<()> {
    let work = tempfile::tempdir()?;
    let of = |command: &[&str], root: &str, runs: &str| -> Result<String> {
        let data = format!("{dataset}={}", work.path().join(root).join(inside).display());
        let runs = work.path().join(runs);
        let runs = runs.to_string_lossy();
        stdout(&[&["proposals"], command, &["--data", &data, "--runs", &runs]].concat(), work.path())
    };
    let mut exported = Vec::new();
    for (root, red) in [("first", 10), ("second", 200)] {
        folder(&work.path().join(root), red)?;
        let built = of(&["build"], root, "shared")?;
        ensure!(built.contains("4 images made"), "{root}: {built}");
        of(&["build"], root, root)?;
        let mut boxes = Vec::new();
        for runs in ["shared", root] {
            let file = work.path().join(format!("{root}-{runs}.json"));
            of(&["export", &file.to_string_lossy()], root, runs)?;
            boxes.push(fs::read_to_string(file)?);
        }
        ensure!(boxes[0] == boxes[1], "{root} has the boxes of another store");
        exported.push(boxes.swap_remove(0));
    }
    ensure!(exported[0] != exported[1], "the images were drawn to have other boxes");
    // One image of the first is replaced: its boxes are made anew, and imported ones are refused.
    let exported = work.path().join("first-first.json");
    of(&["import", &exported.to_string_lossy(), "--name", "mine"], "first", "shared")?;
    draw(&work.path().join("first/train/b/0.png"), [60, 48], [77, 7])?;
    let built = of(&["build"], "first", "shared")?;
    ensure!(built.contains("4 images made"), "{built}");
    let mine = ["build", "--set", "proposals.use=imported", "--set", "proposal.imported.name=mine"];
    let refused = format!("{:#}", of(&mine, "first", "shared").err().context("other boxes were used")?);
    ensure!(refused.contains("image b/0.png is not the one that boxes are stored of"), "{refused}");
    Ok(())
}

#[test]
fn a_run_is_reused_and_goes_on_with_the_same_images_only() -> Result<()> {
    let work = tempfile::tempdir()?;
    let (runs, mine) = (work.path().join("runs"), work.path().join("mine"));
    folder(&mine, 10)?;
    let ablate = |root: &str| -> Result<(Option<i32>, String)> {
        let data = format!("image-folder={root}");
        let arguments = [&ROW[..], &["--data", &data, "--probe-data", &data]].concat();
        let output = univip(&arguments, &runs).current_dir(work.path()).output()?;
        Ok((output.status.code(), String::from_utf8(output.stderr)?))
    };
    let evaluate = ["evaluate", "table7-b", "--with", "knn", "--runs"];
    let evaluate = || said(&[&evaluate[..], &[&runs.to_string_lossy()]].concat(), &runs);
    let record =
        || -> Result<String> { Ok(fs::read_to_string(run_directory(&runs, "table7-b")?.join("run.json"))?) };
    let absolute = mine.to_string_lossy().into_owned();
    let (code, first) = ablate(&absolute)?;
    ensure!(code == Some(0), "{first}");
    let finished = record()?;
    for (number, digest) in ["data_digest", "probe_data train", "probe_data val"].iter().enumerate() {
        ensure!(finished.matches(&format!("\"{digest}\": \"")).count() == 1, "{number}: {finished}");
    }

    // Spelt otherwise, moved, touched: the same.
    for spelt in ["mine", "./mine/", &format!("{absolute}/")] {
        let (code, text) = ablate(spelt)?;
        ensure!(code == Some(0) && record()? == finished, "{spelt}: {text}");
    }
    fs::rename(&mine, work.path().join("moved"))?;
    let picture = work.path().join("moved/train/b/1.png");
    fs::write(&picture, fs::read(&picture)?)?;
    let moved = work.path().join("moved").to_string_lossy().into_owned();
    let (code, text) = ablate(&moved)?;
    ensure!(code == Some(0) && record()? == finished, "{text}");
    let directories =
        fs::read_dir(&runs)?.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
    ensure!(directories.filter(|name| name.starts_with("table7-b")).count() == 1, "the same data is one run");
    let (code, text) = evaluate()?;
    ensure!(code == Some(0), "the recipe says where its data lies now: {text}");

    // Changed: refused wherever it would be used, by the first image.
    let before = fs::read(&picture)?;
    draw(&picture, [60, 48], [99, 99])?;
    let (code, text) = ablate(&moved)?;
    ensure!(code == Some(1) && text.contains("1 of 4, the first is b/1.png"), "reused: {code:?} {text}");
    let (code, text) = evaluate()?;
    ensure!(code == Some(1) && text.contains("1 of 4, the first is b/1.png"), "evaluated: {code:?} {text}");
    let run = run_directory(&runs, "table7-b")?;
    fs::write(run.join("run.json"), record()?.replace("\"finished\"", "\"interrupted\""))?;
    fs::remove_file(run.join("backbone.safetensors"))?;
    let (code, text) = ablate(&moved)?;
    ensure!(code == Some(1) && text.contains("1 of 4, the first is b/1.png"), "resumed: {code:?} {text}");
    fs::write(&picture, before)?;
    let (code, text) = ablate(&moved)?;
    ensure!(code == Some(0) && record()?.contains("\"finished\""), "restored: {code:?} {text}");

    other_labelled_images_are_measured_apart(work.path(), &run)
}

fn other_labelled_images_are_measured_apart(work: &Path, run: &Path) -> Result<()> {
    let runs = run.parent().context("the directory of the runs")?;
    folder(&work.join("others"), 130)?;
    let others = format!("image-folder={}", work.join("others").display());
    let shared = ["evaluate", "table7-b", "--with", "knn", "--probe-data", &others, "--runs"];
    let (code, text) = said(&[&shared[..], &[&runs.to_string_lossy()]].concat(), runs)?;
    ensure!(code == Some(0), "{text}");
    let numbers = fs::read_to_string(run.join("evaluations.jsonl"))?;
    let apart = numbers.lines().filter(|line| line.contains("dataset.image-folder.root=")).count();
    ensure!(apart == numbers.lines().count() / 3 && apart > 0, "{numbers}");
    Ok(())
}

#[test]
fn a_directory_may_be_called_anything() -> Result<()> {
    let work = tempfile::tempdir()?;
    for name in ["2017", "true", "1e3", "[]"] {
        folder(&work.path().join(name), 10)?;
        let [data, set] = [format!("image-folder={name}"), format!("dataset.image-folder.root={name}")];
        let choices: [&[&str]; 2] = [&["--data", &data], &["--set", "data.use=image-folder", "--set", &set]];
        for choice in choices {
            let arguments =
                [&["proposals", "build", "--set", "proposals.use=selective-search"], choice].concat();
            let output = univip(&arguments, work.path()).current_dir(work.path()).output()?;
            ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        }
        let variable = ("UNIVIP_DATASET__IMAGE_FOLDER__ROOT", name);
        let shown = univip(&["recipe", "show", "table7/b", "--set", "data.use=image-folder"], work.path())
            .env(variable.0, variable.1)
            .output()?;
        let shown = String::from_utf8(shown.stdout)?;
        ensure!(shown.contains(&format!("root = \"{name}\"")), "{name}: {shown}");
    }
    Ok(())
}

/// A COCO root of two images whose ids are each other's numbers.
fn crossed(root: &Path, prefix: &str) -> Result<()> {
    fs::create_dir_all(root.join("annotations"))?;
    for (split, files) in
        [("train2017", ["000001.png", "000002.png"]), ("val2017", ["000101.png", "000102.png"])]
    {
        fs::create_dir_all(root.join(split))?;
        let mut images = Vec::new();
        for (place, file) in files.iter().enumerate() {
            let file = format!("{prefix}{file}");
            draw(&root.join(split).join(&file), [60, 48], [10, 100 * place as u8])?;
            images.push(json!({ "id": 2 - place, "file_name": file, "width": 60, "height": 48 }));
        }
        let text = json!({ "images": images, "annotations": [], "categories": [] }).to_string();
        fs::write(root.join(format!("annotations/instances_{split}.json")), text)?;
    }
    Ok(())
}

#[test]
fn imported_boxes_go_to_the_image_that_is_named() -> Result<()> {
    let work = tempfile::tempdir()?;
    let path = |name: &str| work.path().join(name).to_string_lossy().into_owned();
    for prefix in ["", "cat_"] {
        let (root, runs) = (path(&format!("coco{prefix}")), path(&format!("runs{prefix}")));
        crossed(Path::new(&root), prefix)?;
        let data = format!("coco={root}");
        let of = |command: &[&str]| {
            said(&[&["proposals"], command, &["--data", &data, "--runs", &runs]].concat(), work.path())
        };
        let [first, second] = ["000001.png", "000002.png"].map(|file| format!("{prefix}{file}"));
        let imported = |named: [&str; 2], name: &str| -> Result<serde_json::Value> {
            let [one, other] = named;
            let boxes = json!({ one: [[1, 2, 10, 11]], other: [[3, 4, 12, 13]] });
            let file = path("boxes.json");
            fs::write(&file, boxes.to_string())?;
            let (code, text) = of(&["import", &file, "--name", name])?;
            ensure!(code == Some(0) && !text.contains("warning"), "{named:?}: {text}");
            let (back, name) = (path("back.json"), format!("proposal.imported.name={name}"));
            let (code, text) = of(&["export", &back, "--set", "proposals.use=imported", "--set", &name])?;
            ensure!(code == Some(0), "{text}");
            Ok(serde_json::from_slice(&fs::read(back)?)?)
        };
        let expected = json!({ "2": [[1, 2, 10, 11]], "1": [[3, 4, 12, 13]] });
        ensure!(imported([&first, &second], "files")? == expected, "by file name");
        ensure!(imported(["2", "1"], "ids")? == expected, "by id");
        ensure!(imported([&format!("train2017/{first}"), &second[..second.len() - 4]], "ends")? == expected);
        let refused = path("refused.json");
        fs::write(&refused, json!({ &first: [], "2": [] }).to_string())?;
        let (code, text) = of(&["import", &refused, "--name", "twice"])?;
        ensure!(code == Some(1) && text.contains("image 2 stands in it twice"), "{text}");
    }
    Ok(())
}
