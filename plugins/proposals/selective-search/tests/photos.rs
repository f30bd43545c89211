//! Agreement with OpenCV on photos, where there are some.
//!
//! `TEST_PHOTOS` names what `python bench/boxes.py PHOTOS DIRECTORY` wrote; without it there is nothing to compare.
//! The photos in it are PNG files as OpenCV decoded them: another JPEG decoder's single levels of difference change
//! a third of all boxes, in OpenCV as in ours.

use std::collections::BTreeMap;
use std::path::Path;
use univip_core::geometry::BoundingBox;
use univip_selective_search::{Parameters, selective_search};

/// The share of `boxes` that one of `others` overlaps by an IoU of 0.9 or more.
fn found(boxes: &[BoundingBox], others: &[BoundingBox]) -> f64 {
    let hits = boxes.iter().filter(|one| others.iter().any(|other| one.iou(other) >= 0.9)).count();
    hits as f64 / boxes.len().max(1) as f64
}

#[test]
fn at_least_95_percent_of_the_boxes_of_photos_are_opencvs_and_the_other_way_round() {
    let Some(photos) = std::env::var_os("TEST_PHOTOS") else {
        eprintln!("skipped: TEST_PHOTOS names no photos and their boxes");
        return;
    };
    let photos = Path::new(&photos);
    let text = std::fs::read_to_string(photos.join("boxes.json")).expect("OpenCV's boxes can be read");
    let theirs: BTreeMap<String, Vec<[u32; 4]>> =
        serde_json::from_str(&text).expect("they are as boxes.py writes them");
    let (mut ours_found, mut theirs_found) = (0.0, 0.0);
    for (name, theirs) in &theirs {
        let image = image::open(photos.join(name)).expect("the photo is there").to_rgb8();
        let ours = selective_search(&image, &Parameters::fast());
        let theirs: Vec<_> = theirs.iter().map(|&[x, y, w, h]| BoundingBox::new(x, y, w, h)).collect();
        ours_found += found(&ours, &theirs);
        theirs_found += found(&theirs, &ours);
    }
    let (ours, theirs) = (ours_found / theirs.len() as f64, theirs_found / theirs.len() as f64);
    println!("of ours {ours:.4}, of OpenCV's {theirs:.4}");
    assert!(ours >= 0.95 && theirs >= 0.95, "of ours {ours:.4}, of OpenCV's {theirs:.4}");
}
