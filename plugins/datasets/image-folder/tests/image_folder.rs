//! Image folders made on the spot.

use image::{Rgb, RgbImage};
use std::path::Path;
use tempfile::TempDir;
use univip_core::dataset::{Dataset, Split};
use univip_core::error::NotApplicable;
use univip_core::geometry::Size;
use univip_core::recipe::Table;
use univip_image_folder::{Config, ImageFolder, images};

/// A root with these files; images are 3 x 2 with the index of the file as red.
fn root(files: &[&str]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (index, file) in files.iter().enumerate() {
        let path = root.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        if !path.file_name().unwrap().to_string_lossy().starts_with('.')
            && image::ImageFormat::from_path(&path).is_ok_and(|format| format.can_write())
        {
            RgbImage::from_pixel(3, 2, Rgb([index as u8, 0, 0])).save(&path).unwrap();
        } else {
            std::fs::write(&path, "text").unwrap();
        }
    }
    root
}

fn open(root: &Path, split: Split) -> anyhow::Result<ImageFolder> {
    ImageFolder::open(&Config { root: root.into() }, split)
}

fn ids(dataset: &dyn Dataset) -> Vec<String> {
    (0..dataset.len()).map(|index| dataset.id(index)).collect()
}

const FILES: [&str; 7] = [
    "train/shoe/2.png",
    "train/shoe/1.png",
    "train/shoe/readme.txt",
    "train/shoe/.hidden.png",
    "train/hat/x.png",
    "val/shoe/9.png",
    "notes.txt",
];

#[test]
fn classes_and_images_are_sorted_and_labelled() {
    let root = root(&FILES);
    let train = open(root.path(), Split::Train).unwrap();
    assert_eq!(train.classes(), ["hat", "shoe"]);
    let found: Vec<_> = (0..train.len()).map(|index| (train.id(index), train.label(index))).collect();
    let expected = [("hat/x.png", 0), ("shoe/1.png", 1), ("shoe/2.png", 1)];
    assert_eq!(found, expected.map(|(id, class)| (id.to_string(), Some(class))));
    assert_eq!(train.image(1).unwrap().get_pixel(0, 0), &Rgb([1, 0, 0]));
    assert_eq!(train.size(1).unwrap(), Size { width: 3, height: 2 });
    let skipped = train.skipped().lines();
    assert_eq!(skipped.len(), 1);
    assert!(skipped[0].starts_with("1 file has no ending of an image"), "{skipped:?}");
    assert!(skipped[0].ends_with(": readme.txt"), "{skipped:?}");
}

#[test]
fn val_has_the_classes_of_train_even_where_it_lacks_one() {
    let root = root(&FILES);
    let val = open(root.path(), Split::Val).unwrap();
    assert_eq!(val.classes(), ["hat", "shoe"]);
    assert_eq!((val.len(), val.label(0)), (1, Some(1)));
    assert_ne!(val.digest(), open(root.path(), Split::Train).unwrap().digest());
    assert_eq!(val.digest(), open(root.path(), Split::Val).unwrap().digest());
    let lines = val.skipped().lines();
    assert_eq!(lines, ["1 class of train has no image in val, which measures nothing of it: hat"]);
}

#[test]
fn images_of_every_format_and_in_every_directory_are_found_as_by_torchvision() {
    let root = root(&[
        "train/a/1.webp",
        "train/a/2.bmp",
        "train/a/3.TIF",
        "train/a/4.gif",
        "train/a/b/5.qoi",
        "train/a/b/6.ppm",
        "train/a/b-c/7.tiff",
        "train/a/8.jfif",
        "train/a/.cache/9.png",
        "train/a/photo.heic",
        "train/beside.png",
        "train/._a",
        "train/._beside.png",
        "train/.cache/9.png",
    ]);
    let train = open(root.path(), Split::Train).unwrap();
    // Python's sorted(os.walk("train/a")): the directory's own files, then a/b, which "a/b-c" follows.
    let expected = ["1.webp", "2.bmp", "3.TIF", "4.gif", "8.jfif", "b/5.qoi", "b/6.ppm", "b-c/7.tiff"];
    assert_eq!(ids(&train), expected.map(|name| format!("a/{name}")));
    for index in 0..train.len() {
        assert_eq!(train.image(index).unwrap().dimensions(), (3, 2), "{}", train.id(index));
    }
    let lines = train.skipped().lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].ends_with("skipped: photo.heic"), "{lines:?}");
    assert!(
        lines[1].ends_with("lies beside the directories of the classes and is skipped: train/beside.png")
    );
}

#[test]
fn what_is_wrong_is_named() {
    let cases: [(&[&str], Split, &str); 5] = [
        (&["val/shoe/1.png"], Split::Train, "cannot list"),
        (&["train/shoe/1.png", "val"], Split::Val, "check `root`"),
        (&["train/1.png"], Split::Train, "has no class"),
        (
            &["train/shoe/a.txt", "train/hat/1.png"],
            Split::Train,
            ": shoe (1 file has no ending of an image that is read and is skipped: a.txt)",
        ),
        (&["train/shoe/1.png", "val/shoes/1.png"], Split::Val, "did you mean `shoe`?"),
    ];
    for (files, split, expected) in cases {
        let root = root(files);
        let error = format!("{:#}", open(root.path(), split).unwrap_err());
        assert!(error.contains(expected) && error.contains("image-folder"), "{files:?}: {error}");
    }
    let unset = Table::of("").read::<Config>().unwrap_err().to_string();
    assert!(unset.contains("root") && unset.contains("is not set"), "{unset}");
}

#[test]
fn a_folder_without_val_is_no_mistake() {
    let root = root(&["train/shoe/1.png"]);
    let error = open(root.path(), Split::Val).unwrap_err();
    assert!(error.is::<NotApplicable>(), "{error:#}");
    assert!(error.to_string().contains("there is no val split"), "{error:#}");
}

#[test]
fn unlabelled_images_are_found_below_their_root() {
    let files = ["2.png", "10.png", "trip/1.webp", "trip/.thumbnails/1.png", "._2.png", "list.csv"];
    let [root, elsewhere] = [root(&files), root(&files)];
    let config = images::Config { root: root.path().into() };
    let all = images::Images::open(&config, Split::Train).unwrap();
    assert_eq!(ids(&all), ["10.png", "2.png", "trip/1.webp"]);
    assert!(all.classes().is_empty() && all.label(0).is_none());
    assert_eq!(all.image(2).unwrap().dimensions(), (3, 2));
    assert!(all.skipped().lines()[0].ends_with(": list.csv"));
    let same = images::Images::open(&images::Config { root: elsewhere.path().into() }, Split::Train).unwrap();
    assert_eq!(all.digest(), same.digest(), "where they lie is no part of it");
    let val = images::Images::open(&config, Split::Val).unwrap_err();
    assert!(val.is::<NotApplicable>() && val.to_string().contains("no val split"), "{val:#}");
}

#[test]
fn a_directory_without_images_is_refused() {
    for (files, expected) in [(&["a.txt"][..], "holds no image"), (&[], "holds no image")] {
        let root = root(files);
        let config = images::Config { root: root.path().into() };
        let error = format!("{:#}", images::Images::open(&config, Split::Train).unwrap_err());
        assert!(error.contains(expected), "{error}");
        let nowhere = images::Config { root: root.path().join("nothing") };
        let error = format!("{:#}", images::Images::open(&nowhere, Split::Train).unwrap_err());
        assert!(error.contains("check `root`") && error.contains("nothing"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn links_are_followed_once_and_dead_ones_are_named() {
    let root = root(&["a/1.png"]);
    let link =
        |to: &str, from: &str| std::os::unix::fs::symlink(root.path().join(to), root.path().join(from));
    link("a", "b").unwrap();
    link(".", "a/circle").unwrap();
    link("nothing", "a/dead.png").unwrap();
    let config = images::Config { root: root.path().into() };
    let all = images::Images::open(&config, Split::Train).unwrap();
    assert_eq!(ids(&all), ["a/1.png", "b/1.png"]);
    let lines = all.skipped().lines();
    assert!(
        lines[0].starts_with("2 links lead back") && lines[1].starts_with("2 links lead to nothing"),
        "{lines:?}"
    );
}
