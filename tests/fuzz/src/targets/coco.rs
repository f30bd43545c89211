//! COCO's files: annotations and results.

use super::{Bound, Opened, Target, workspace};
use crate::mutate::Dialect;
use anyhow::Result;
use std::fs;
use std::path::Path;
use univip_coco::{Coco, Config};
use univip_core::dataset::{Dataset, Split};
use univip_core::metrics::IouType;
use univip_core::metrics::instances::Instances;

/// An annotation file as ground truth and as a dataset.
pub const ANNOTATIONS: Target = Target {
    name: "coco-annotations",
    summary: "COCO's annotation files, of an evaluation and of a dataset",
    dialect: Dialect::Text,
    bound: Bound { bytes: 4 << 20, per_byte: 400 },
    place: "annotations/instances_train2017.json",
    fixtures: &[],
    prepare: annotations,
    planted: false,
};

/// The detections in the images of an annotation file.
pub const RESULTS: Target = Target {
    name: "coco-results",
    summary: "COCO's results files: boxes and masks that were found",
    dialect: Dialect::Text,
    bound: Bound { bytes: 4 << 20, per_byte: 400 },
    place: "results.json",
    fixtures: &[],
    prepare: results,
    planted: false,
};

const KINDS: [IouType; 2] = [IouType::BoundingBox, IouType::Segmentation];

fn annotations(directory: &Path) -> Result<Opened> {
    let images = directory.join("train2017");
    fs::create_dir_all(&images)?;
    for name in ["a.png", "b.png"] {
        fs::copy(workspace("core/tests/fixtures/augment/files/rgb.png"), images.join(name))?;
    }
    let config = Config { root: directory.into(), ..Config::default() };
    Ok(Opened::new(move |path, _| {
        for kind in KINDS {
            Instances::read(path, kind)?;
        }
        let dataset = Coco::open(&config, Split::Train)?;
        for image in 0..dataset.len().min(4) {
            dataset.annotations(image)?;
        }
        Ok(())
    }))
}

fn results(directory: &Path) -> Result<Opened> {
    let truth = directory.join("truth.json");
    fs::copy(workspace("tests/fuzz/corpus/coco-annotations/two-images.json"), &truth)?;
    let all = KINDS.map(|kind| (kind, Instances::read(&truth, kind)));
    Ok(Opened::new(move |path, _| {
        for (kind, instances) in &all {
            let Ok(instances) = instances else { continue };
            instances.results(path, *kind)?;
        }
        Ok(())
    }))
}
