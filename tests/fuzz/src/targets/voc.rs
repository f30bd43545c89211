//! PASCAL VOC's annotations.

use super::{Bound, Opened, Target, workspace};
use crate::mutate::Dialect;
use anyhow::Result;
use std::fs;
use std::path::Path;
use univip_core::dataset::{Dataset, Split};
use univip_voc::{Config, ImageSet, Voc};

/// The XML file of an image of a development kit.
pub const ANNOTATIONS: Target = Target {
    name: "voc-annotations",
    summary: "PASCAL VOC's annotations in XML",
    dialect: Dialect::Text,
    bound: Bound { bytes: 4 << 20, per_byte: 400 },
    place: "VOC2007/Annotations/000001.xml",
    fixtures: &[],
    prepare,
    planted: false,
};

fn prepare(directory: &Path) -> Result<Opened> {
    let year = directory.join("VOC2007");
    fs::create_dir_all(year.join("JPEGImages"))?;
    fs::create_dir_all(year.join("ImageSets/Main"))?;
    fs::write(year.join("ImageSets/Main/trainval.txt"), "000001\n")?;
    fs::copy(workspace("core/tests/fixtures/augment/files/rgb.png"), year.join("JPEGImages/000001.jpg"))?;
    let train = vec![ImageSet { year: "VOC2007".into(), set: "trainval".into() }];
    let config = Config { root: directory.into(), train, ..Config::default() };
    Ok(Opened::new(move |_, _| {
        let dataset = Voc::open(&config, Split::Train)?;
        dataset.annotations(0)?;
        dataset.ground_truth(0, false)?;
        Ok(())
    }))
}
