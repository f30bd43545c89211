//! Boxes: the store's files, and those of other programs.

use super::{Bound, Opened, Target, workspace};
use crate::mutate::Dialect;
use anyhow::Result;
use image::RgbImage;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use univip_coco::{Coco, Config};
use univip_core::dataset::{Dataset, Split};
use univip_core::error::ImageError;
use univip_core::geometry::BoundingBox;
use univip_core::proposals::{ProposalStore, StoreKey};

/// A shard of the store.
pub const STORED: Target = Target {
    name: "stored-boxes",
    summary: "the files of the proposal store",
    dialect: Dialect::Archive,
    bound: Bound { bytes: 1 << 20, per_byte: 400 },
    place: "boxes.npz",
    fixtures: &[],
    prepare: stored,
    planted: false,
};

/// JSON of another program.
pub const IMPORTED: Target = Target {
    name: "imported-boxes",
    summary: "boxes of another program in JSON",
    dialect: Dialect::Text,
    bound: Bound { bytes: 4 << 20, per_byte: 400 },
    place: "boxes.json",
    fixtures: &[],
    prepare: imported,
    planted: false,
};

fn stored(directory: &Path) -> Result<Opened> {
    let (root, key) = (directory.join("store"), key(IMAGES));
    let dataset: Arc<dyn Dataset> = Arc::new(Blank);
    let store = ProposalStore::open(&root, &key, dataset.clone())?;
    let boxes = |image: u32| (0..image * 5).map(|at| BoundingBox::new(at, 3, 20 + 300 * image, 7)).collect();
    let images: Vec<_> = (0..IMAGES as u32).map(|image| (format!("{image}.jpg"), boxes(image))).collect();
    store.keep(0, &images)?;
    let shard = store.directory().join("000000.npz");
    let made = fs::read(&shard)?;
    let mut opened = Opened::new(move |_, input| {
        fs::write(&shard, input)?;
        // Another one each time: a store remembers where its arrays are.
        let store = ProposalStore::open(&root, &key, dataset.clone())?;
        (0..IMAGES).try_for_each(|image| store.boxes(image).map(drop))
    });
    opened.made.push(made);
    Ok(opened)
}

fn imported(directory: &Path) -> Result<Opened> {
    let annotations = directory.join("annotations");
    fs::create_dir_all(&annotations)?;
    fs::create_dir_all(directory.join("train2017"))?;
    for name in ["a.png", "b.png"] {
        let image = workspace("core/tests/fixtures/augment/files/rgb.png");
        fs::copy(image, directory.join("train2017").join(name))?;
    }
    let listed = workspace("tests/fuzz/corpus/coco-annotations/two-images.json");
    fs::copy(listed, annotations.join("instances_train2017.json"))?;
    let dataset: Arc<dyn Dataset> =
        Arc::new(Coco::open(&Config { root: directory.into(), ..Config::default() }, Split::Train)?);
    let root = directory.join("store");
    Ok(Opened::new(move |path, _| {
        let _ = fs::remove_dir_all(&root);
        let store = ProposalStore::open(&root, &key(dataset.len()), dataset.clone())?;
        univip_experiments::import_boxes(&*dataset, &store, path).map(drop)
    }))
}

const IMAGES: usize = 3;

/// Images that nothing looks at.
struct Blank;

impl Dataset for Blank {
    fn len(&self) -> usize {
        IMAGES
    }

    fn id(&self, index: usize) -> String {
        format!("{index}.jpg")
    }

    fn image(&self, _index: usize) -> Result<RgbImage, ImageError> {
        Ok(RgbImage::new(1000, 100))
    }

    fn digest(&self) -> String {
        "blank".into()
    }
}

fn key(images: usize) -> StoreKey {
    StoreKey {
        source: "fuzz".into(),
        version: "0".into(),
        parameters: Value::Null,
        dataset: "d".into(),
        images,
    }
}
