//! Images as people have them: any format, any folder, without labels, some of them damaged.

mod common;

use anyhow::{Context, Result, ensure};
use common::{evaluations, output, run_directory, stdout};
use image::{Rgb, RgbImage};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Draws an image of its own for each file; a name that ends in `.broken.jpg` gets no image.
fn folder(files: &[&str]) -> Result<TempDir> {
    let root = tempfile::tempdir()?;
    for (number, file) in files.iter().enumerate() {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().context("no parent")?)?;
        if file.ends_with(".broken.jpg") {
            fs::write(&path, "no image")?;
        } else {
            drawn(number as u32, 96, 80).save(&path)?;
        }
    }
    Ok(root)
}

fn drawn(number: u32, width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let stripe = (x / (number % 5 + 4) + y / (number % 7 + 5)) % 2;
        Rgb([(40 * (number % 6)) as u8, (200 * stripe) as u8, (x + y + number) as u8])
    })
}

/// A JPEG of a thousand bytes whose header claims a square of `side` pixels.
fn claiming(side: u16) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut bytes, 80);
    encoder.encode(drawn(0, 16, 16).as_raw(), 16, 16, jpeg_encoder::ColorType::Rgb)?;
    let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).context("no frame")?;
    bytes[frame + 5..frame + 7].copy_from_slice(&side.to_be_bytes());
    bytes[frame + 7..frame + 9].copy_from_slice(&side.to_be_bytes());
    Ok(bytes)
}

fn option(name: &str, root: &Path) -> String {
    format!("{name}={}", root.display())
}

const MEASURE: [&str; 5] = ["run", "random", "--scale", "smoke", "--set"];

#[test]
fn a_class_of_another_format_is_measured() -> Result<()> {
    let (root, runs) = (
        folder(&[
            "train/a/1.tif",
            "train/a/2.webp",
            "train/b/1.png",
            "train/b/2.bmp",
            "val/a/1.webp",
            "val/b/1.png",
        ])?,
        tempfile::tempdir()?,
    );
    fs::write(root.path().join("train/a/notes.txt"), "text")?;
    let probe = option("image-folder", root.path());
    let arguments = [&MEASURE[..], &["evaluators.use=[\"knn\"]", "--probe-data", &probe]].concat();
    let found = output(&arguments, runs.path())?;
    let said = String::from_utf8(found.stderr)?;
    let passed_over = "image-folder: 1 file has no ending of an image that is read and is skipped: notes.txt";
    ensure!(found.status.success() && said.contains(passed_over), "{said}");
    let text = evaluations(&run_directory(runs.path(), "random")?)?;
    ensure!(text.contains("\"images\":2") && !text.contains("skipped"), "{text}");
    Ok(())
}

#[test]
fn a_class_of_a_format_that_is_not_read_is_named_before_anything_runs() -> Result<()> {
    let (root, runs) =
        (folder(&["train/a/1.png", "train/b/1.png", "val/a/1.png", "val/b/1.png"])?, tempfile::tempdir()?);
    fs::rename(root.path().join("train/b/1.png"), root.path().join("train/b/1.heic"))?;
    let probe = option("image-folder", root.path());
    let arguments = [&MEASURE[..], &["evaluators.use=[\"knn\"]", "--probe-data", &probe]].concat();
    let found = output(&arguments, runs.path())?;
    let said = String::from_utf8(found.stderr)?;
    ensure!(found.status.code() == Some(2), "{said}");
    ensure!(said.contains("has no image") && said.contains(": b (1 file"), "{said}");
    ensure!(said.contains("1.heic"), "{said}");
    Ok(())
}

#[test]
fn evaluators_skip_what_cannot_be_read_and_say_of_how_many_images_a_number_is() -> Result<()> {
    let (root, runs) = (
        folder(&[
            "train/a/1.png",
            "train/a/2.broken.jpg",
            "train/b/1.png",
            "train/b/2.png",
            "val/a/1.png",
            "val/a/2.png",
            "val/b/1.png",
            "val/b/2.broken.jpg",
        ])?,
        tempfile::tempdir()?,
    );
    let probe = option("image-folder", root.path());
    let with_runs = |runs: &Path, evaluators: &'static str, more: &[&'static str]| -> Result<_> {
        let arguments = [&MEASURE[..], &[evaluators, "--probe-data", &probe], more].concat();
        let found = output(&arguments, runs)?;
        Ok((found.status.code(), String::from_utf8(found.stderr)?))
    };
    let with = |evaluators, more| with_runs(runs.path(), evaluators, more);
    let (code, said) = with("evaluators.use=[\"knn\", \"linear-probe\"]", &[])?;
    ensure!(code == Some(0), "{said}");
    for name in ["knn", "linear-probe"] {
        let expected = format!("{name}: 2 images cannot be read and are skipped: ");
        ensure!(said.contains(&expected) && said.contains("a/2.broken.jpg"), "{said}");
    }
    let text = evaluations(&run_directory(runs.path(), "random")?)?;
    let lines: Vec<&str> = text.lines().collect();
    ensure!(lines.iter().all(|line| line.contains("\"images\":3,\"skipped\":2")), "{text}");

    // An evaluator stops at the first where the recipe says so, and the run is failed.
    let (code, said) = with("evaluators.use=[\"knn\"]", &["--set", "loader.broken=fail"])?;
    ensure!(code == Some(1) && said.contains("a/2.broken.jpg"), "{said}");

    // Nor is there a number where nothing is left of a class. The run has numbers of the images as they were, and refuses these.
    fs::write(root.path().join("val/b/1.png"), "no image either")?;
    let (code, said) = with("evaluators.use=[\"knn\"]", &["--set", "evaluator.knn.k=1"])?;
    ensure!(code == Some(1) && said.contains("are not those of this run"), "{said}");
    let other = tempfile::tempdir()?;
    let (code, said) = with_runs(other.path(), "evaluators.use=[\"knn\"]", &[])?;
    ensure!(code == Some(1), "{said}");
    ensure!(said.contains("1 of 2 classes has no image that can be read") && said.contains(": b"), "{said}");
    Ok(())
}

#[test]
fn an_image_too_large_for_the_recipe_is_named_and_skipped_wherever_images_are_read() -> Result<()> {
    let (root, runs) = (folder(&["1.png", "2.png"])?, tempfile::tempdir()?);
    fs::write(root.path().join("huge.jpg"), claiming(13300)?)?;
    let data = option("images", root.path());
    let store = runs.path().display().to_string();
    let build = ["proposals", "build", "--data", &data, "--runs", &store];
    let found = output(&build, runs.path())?;
    let said = String::from_utf8(found.stderr)?;
    ensure!(found.status.success(), "{said}");
    ensure!(
        said.contains("huge.jpg: has 13300 x 13300 pixels, more than the 89478485 of loader.max_pixels"),
        "{said}"
    );
    let strict =
        [&build[..], &["--set", "loader.broken=fail", "--set", "proposal.selective-search.min_size=50"]]
            .concat();
    let found = output(&strict, runs.path())?;
    ensure!(found.status.code() == Some(1), "{}", String::from_utf8(found.stderr)?);
    // The limit is the recipe's.
    let small =
        [&build[..], &["--set", "loader.max_pixels=5000", "--set", "proposal.selective-search.min_size=60"]]
            .concat();
    let said = String::from_utf8(output(&small, runs.path())?.stderr)?;
    ensure!(said.contains("1.png: has 96 x 80 pixels, more than the 5000 of"), "{said}");
    Ok(())
}

#[test]
fn a_flat_folder_of_unlabelled_images_is_learnt_from() -> Result<()> {
    let names: Vec<String> =
        (0..9).map(|number| format!("{}{number}.png", if number % 2 == 0 { "" } else { "trip/" })).collect();
    let (root, runs) = (folder(&names.iter().map(String::as_str).collect::<Vec<_>>())?, tempfile::tempdir()?);
    let data = option("images", root.path());
    let arguments =
        ["ablate", "table7", "--row", "e", "--scale", "smoke", "--data", &data, "--probe-data", &data];
    let found = output(&[&arguments[..], &["--set", "evaluators.online=4"]].concat(), runs.path())?;
    let said = String::from_utf8(found.stderr)?;
    ensure!(found.status.success() && said.contains("no online probe: "), "{said}");
    for evaluator in ["linear-probe", "knn", "detection"] {
        let line = format!("evaluator `{evaluator}` measured nothing");
        ensure!(said.matches(&line).count() == 2, "once for the row, once for `random`: {evaluator}: {said}");
    }
    let run = run_directory(runs.path(), "table7-e")?;
    let record: serde_json::Value = serde_json::from_slice(&fs::read(run.join("run.json"))?)?;
    ensure!(record["status"] == "finished", "{record}");
    ensure!(run.join("backbone.safetensors").exists());
    Ok(())
}

#[test]
fn too_few_images_for_a_batch_are_said_with_the_batch_that_works() -> Result<()> {
    let (root, runs) = (folder(&["1.png", "2.png", "3.png"])?, tempfile::tempdir()?);
    let data = option("images", root.path());
    let row = ["ablate", "table7", "--row", "a", "--scale", "smoke", "--data", &data, "--probe-data", &data];
    let found = output(&row, runs.path())?;
    let said = String::from_utf8(found.stderr)?;
    ensure!(found.status.code() == Some(2), "{said}");
    ensure!(said.contains("only 3; --set train.batch=3 takes all of them"), "{said}");
    let halves = [&row[..], &["--set", "train.batch=2", "--set", "train.accumulate=2"]].concat();
    let said = String::from_utf8(output(&halves, runs.path())?.stderr)?;
    ensure!(said.contains("--set train.batch=3 --set train.accumulate=1 takes all of them"), "{said}");
    stdout(&[&row[..], &["--set", "train.batch=3"]].concat(), runs.path())?;
    Ok(())
}

#[test]
fn a_folder_without_val_is_measured_by_what_needs_none() -> Result<()> {
    let (root, runs) = (folder(&["train/a/1.png", "train/b/1.png"])?, tempfile::tempdir()?);
    let probe = option("image-folder", root.path());
    let arguments = [&MEASURE[..], &["evaluators.use=[\"knn\"]", "--probe-data", &probe]].concat();
    let found = output(&arguments, runs.path())?;
    let said = String::from_utf8(found.stderr)?;
    ensure!(found.status.success(), "{said}");
    ensure!(said.contains("evaluator `knn` measured nothing") && said.contains("no val split"), "{said}");
    Ok(())
}

#[test]
fn a_store_that_is_complete_names_the_images_without_boxes() -> Result<()> {
    let (some, none) = (folder(&["1.png", "2.broken.jpg"])?, folder(&["1.broken.jpg", "2.broken.jpg"])?);
    let runs = tempfile::tempdir()?;
    for (root, code, first, again) in [
        (&some, 0, "2 images made", "already complete, 2 images"),
        (&none, 1, "no image could be read", "no image could be read"),
    ] {
        let data = option("images", root.path());
        let place = runs.path().to_string_lossy();
        let build = ["proposals", "build", "--data", &data, "--runs", &place, "--set", "loader.broken=skip"];
        for expected in [first, again] {
            let found = output(&build, runs.path())?;
            let said = format!("{}{}", str::from_utf8(&found.stdout)?, str::from_utf8(&found.stderr)?);
            ensure!(found.status.code() == Some(code) && said.contains(expected), "{said}");
            ensure!(said.contains("warning: no boxes: ") && said.contains(".broken.jpg"), "{said}");
        }
    }
    Ok(())
}
