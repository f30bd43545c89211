//! `univip data check`.

mod common;

use anyhow::{Result, ensure};
use common::{output, univip};
use image::{Rgb, RgbImage};
use std::fs;
use std::path::Path;

fn check(data: &str) -> Result<(Option<i32>, String)> {
    let nowhere = tempfile::tempdir()?;
    let found = output(&["data", "check", data], nowhere.path())?;
    let said = String::from_utf8(found.stderr)?;
    let progress = said.lines().all(|line| line.starts_with("check "));
    ensure!(progress || found.status.code() == Some(2), "{said}");
    Ok((found.status.code(), String::from_utf8(found.stdout)?))
}

fn save(root: &Path, name: &str, width: u32, height: u32, colour: u8) -> Result<()> {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap_or(root))?;
    Ok(RgbImage::from_pixel(width, height, Rgb([colour, 0, 0])).save(path)?)
}

/// Every expected line is there, and no other.
fn ensure_lines(found: &str, expected: &[&str]) -> Result<()> {
    let lines: Vec<&str> = found.lines().collect();
    ensure!(lines.len() == expected.len(), "{found}");
    for part in expected {
        ensure!(lines.iter().any(|line| line.contains(part)), "no {part:?} in {found}");
    }
    Ok(())
}

#[test]
fn a_folder_without_faults_is_clean() -> Result<()> {
    let root = tempfile::tempdir()?;
    for (colour, name) in
        ["train/a/1.png", "train/b/1.png", "val/a/1.png", "val/b/1.png"].into_iter().enumerate()
    {
        save(root.path(), name, 60, 40, colour as u8)?;
    }
    let (code, found) = check(&format!("image-folder={}", root.path().display()))?;
    ensure!(code == Some(0), "{found}");
    ensure_lines(&found, &["train: 2 images, nothing was found", "val: 2 images, nothing was found"])
}

#[test]
fn all_that_is_wrong_with_a_folder_is_listed_at_once() -> Result<()> {
    let root = tempfile::tempdir()?;
    let files = [
        ("train/a/1.png", 60, 40, 1),
        ("train/a/same.bmp", 60, 40, 1),
        ("train/b/tiny.png", 31, 40, 2),
        ("train/b/long.png", 300, 50, 3),
        ("train/b/6.png", 60, 40, 9),
        ("val/a/leak.webp", 60, 40, 9),
    ];
    for (name, width, height, colour) in files {
        save(root.path(), name, width, height, colour)?;
    }
    fs::write(root.path().join("train/b/broken.jpg"), "text")?;
    fs::write(root.path().join("train/b/notes.txt"), "text")?;
    let (code, found) = check(&format!("image-folder={}", root.path().display()))?;
    ensure!(code == Some(1), "{found}");
    ensure_lines(
        &found,
        &[
            "train: 6 images, found",
            "1 image cannot be read: b/broken.jpg (is in no image format that is known",
            "1 image is less than 32 pixels wide or high: b/tiny.png (31 x 40)",
            "1 image is more than 5 times as long as it is wide: b/long.png (300 x 50)",
            "1 image has the same pixels as another of the split: a/same.bmp = a/1.png",
            "1 file has no ending of an image that is read and is skipped: notes.txt",
            "val: 1 image, found",
            "1 image has the same pixels as one of train: a/leak.webp = b/6.png",
            "1 class has no image: b",
            "1 class of train has no image in val, which measures nothing of it: b",
        ],
    )
}

#[test]
fn annotations_are_compared_with_the_images() -> Result<()> {
    let root = tempfile::tempdir()?;
    for split in ["train2017", "val2017"] {
        let shade = 9;
        save(root.path(), &format!("{split}/1.png"), 100, 50, shade)?;
        save(root.path(), &format!("{split}/2.png"), 90, 50, shade)?;
        let annotations = r#"{
            "images": [
                {"id": 1, "file_name": "1.png", "width": 100, "height": 50},
                {"id": 2, "file_name": "2.png", "width": 90, "height": 50}],
            "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 1, "bbox": [80, 10, 40, 20], "area": 800, "iscrowd": 0}]
        }"#;
        fs::create_dir_all(root.path().join("annotations"))?;
        fs::write(root.path().join(format!("annotations/instances_{split}.json")), annotations)?;
    }
    let (code, found) = check(&format!("coco={}", root.path().display()))?;
    ensure!(code == Some(1), "{found}");
    for part in [
        "1 box leaves its image: [80.0, 10.0, 40.0, 20.0] of 1",
        "  note: 1 image has no annotation: 2",
        "  note: 1 class has no image: dog",
        "2 images have the same pixels as one of train",
    ] {
        ensure!(found.contains(part), "no {part:?} in {found}");
    }
    Ok(())
}

#[test]
fn a_decoder_that_panics_is_said_of_its_image_alone() -> Result<()> {
    let root = tempfile::tempdir()?;
    // The palette of this PNG ends within its last colour.
    let broken = include_bytes!("../../core/tests/fixtures/augment/palette-cut.png");
    fs::write(root.path().join("palette.png"), broken)?;
    save(root.path(), "whole.png", 60, 40, 1)?;
    let check = ["data", "check", &format!("images={}", root.path().display())];
    let found = univip(&check, root.path()).env_remove("RUST_BACKTRACE").output()?;
    let (out, said) = (String::from_utf8(found.stdout)?, String::from_utf8(found.stderr)?);
    ensure!(found.status.code() == Some(1), "{out} {said}");
    ensure!(out.contains("palette.png (is damaged: its decoder gave up"), "{out}");
    ensure!(!said.contains("panic"), "{said}");
    Ok(())
}

#[test]
fn a_scene_without_objects_is_a_note_and_nothing_wrong() -> Result<()> {
    let root = tempfile::tempdir()?;
    for (shade, split) in ["train2017", "val2017"].into_iter().enumerate() {
        save(root.path(), &format!("{split}/1.png"), 100, 50, 2 * shade as u8)?;
        save(root.path(), &format!("{split}/2.png"), 100, 50, 2 * shade as u8 + 1)?;
        let annotations = r#"{
            "images": [
                {"id": 1, "file_name": "1.png", "width": 100, "height": 50},
                {"id": 2, "file_name": "2.png", "width": 100, "height": 50}],
            "categories": [{"id": 1, "name": "cat"}],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 1, "bbox": [8, 10, 40, 20], "area": 800, "iscrowd": 0}]
        }"#;
        fs::create_dir_all(root.path().join("annotations"))?;
        fs::write(root.path().join(format!("annotations/instances_{split}.json")), annotations)?;
    }
    let (code, found) = check(&format!("coco={}", root.path().display()))?;
    ensure!(code == Some(0), "{found}");
    let note = "  note: 1 image has no annotation: 2";
    let [train, val] = ["train", "val"].map(|split| format!("{split}: 2 images, nothing was found"));
    ensure_lines(&found, &[&train, note, &val, note])
}

/// A name that steers a terminal is shown, and steers nothing.
#[cfg(unix)]
#[test]
fn a_hostile_name_is_escaped() -> Result<()> {
    let root = tempfile::tempdir()?;
    save(root.path(), "1.png", 60, 40, 1)?;
    fs::write(root.path().join("\u{1b}]0;owned\u{7}.txt"), "text")?;
    let (code, found) = check(&format!("images={}", root.path().display()))?;
    ensure!(code == Some(1) && found.contains(r"\u{1b}]0;owned\u{7}.txt"), "{found}");
    ensure!(!found.contains(|letter: char| letter.is_control() && letter != '\n'), "{found:?}");
    Ok(())
}

#[test]
fn unlabelled_images_need_no_label_and_a_wrong_path_is_refused() -> Result<()> {
    let root = tempfile::tempdir()?;
    save(root.path(), "1.png", 60, 40, 1)?;
    let (code, found) = check(&format!("images={}", root.path().display()))?;
    ensure!(code == Some(0), "{found}");
    ensure_lines(&found, &["train: 1 image, nothing was found", "val: no such split"])?;
    ensure!(check("images=/nonexist")?.0 == Some(2));
    Ok(())
}
