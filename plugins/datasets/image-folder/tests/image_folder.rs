//! Image folders made on the spot.

use image::{Rgb, RgbImage};
use std::path::Path;
use tempfile::TempDir;
use univip_core::dataset::{Dataset, Split};
use univip_core::geometry::Size;
use univip_core::recipe::Table;
use univip_image_folder::{Config, ImageFolder};

/// A root with these files; images are 3 x 2 with the index of the file as red.
fn root(files: &[&str]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (index, file) in files.iter().enumerate() {
        let path = root.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        if file.ends_with(".png") {
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
}

#[test]
fn val_has_the_classes_of_train_even_where_it_lacks_one() {
    let root = root(&FILES);
    let val = open(root.path(), Split::Val).unwrap();
    assert_eq!(val.classes(), ["hat", "shoe"]);
    assert_eq!((val.len(), val.label(0)), (1, Some(1)));
    assert_ne!(val.digest(), open(root.path(), Split::Train).unwrap().digest());
    assert_eq!(val.digest(), open(root.path(), Split::Val).unwrap().digest());
}

#[test]
fn what_is_wrong_is_named() {
    let cases: [(&[&str], Split, &str); 5] = [
        (&["val/shoe/1.png"], Split::Train, "cannot list"),
        (&["train/shoe/1.png"], Split::Val, "check `root`"),
        (&["train/1.png"], Split::Train, "has no class"),
        (&["train/shoe/a.txt"], Split::Train, "no .jpg, .jpeg or .png file"),
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
