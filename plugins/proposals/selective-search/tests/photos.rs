//! Agreement with OpenCV on photos, where there are some.
//!
//! `TEST_PHOTOS` names what `python bench/boxes.py PHOTOS DIRECTORY` wrote; without it there is nothing to compare.
//! The photos in it are PNG files as OpenCV decoded them: another JPEG decoder's single levels of difference change
//! a third of all boxes, in OpenCV as in ours.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use univip_core::geometry::BoundingBox;
use univip_core::image_file::read;
use univip_core::recipe::Table;
use univip_selective_search::{Settings, selective_search};

/// The agreement of two lists of boxes.
#[derive(Default)]
struct Agreement {
    photos: usize,
    /// Photos whose boxes are the same set.
    identical: usize,
    boxes: usize,
    /// Boxes of either list that are not in the other.
    odd: usize,
    /// Sums over the photos of the share of one list's boxes that a box of the other overlaps by an IoU of 0.9 or more.
    ours_found: f64,
    theirs_found: f64,
}

impl Agreement {
    fn add(&mut self, ours: &[BoundingBox], theirs: &[BoundingBox]) {
        let set = |boxes: &[BoundingBox]| boxes.iter().copied().collect::<HashSet<_>>();
        let odd = set(ours).symmetric_difference(&set(theirs)).count();
        self.photos += 1;
        self.identical += usize::from(odd == 0);
        self.boxes += ours.len() + theirs.len();
        self.odd += odd;
        self.ours_found += found(ours, theirs);
        self.theirs_found += found(theirs, ours);
    }
}

/// The share of `boxes` that one of `others` overlaps by an IoU of 0.9 or more.
fn found(boxes: &[BoundingBox], others: &[BoundingBox]) -> f64 {
    let hits = boxes.iter().filter(|one| others.iter().any(|other| one.iou(other) >= 0.9)).count();
    hits as f64 / boxes.len().max(1) as f64
}

#[test]
fn at_least_99_percent_of_the_boxes_of_photos_are_opencvs_and_the_other_way_round() {
    let Some(photos) = std::env::var_os("TEST_PHOTOS") else {
        eprintln!("skipped: TEST_PHOTOS names no photos and their boxes");
        return;
    };
    let photos = Path::new(&photos);
    let text = |name| std::fs::read_to_string(photos.join(name)).expect("boxes.py wrote it");
    let theirs: BTreeMap<String, Vec<[u32; 4]>> =
        serde_json::from_str(&text("boxes.json")).expect("they are as boxes.py writes them");
    let settings: Settings = Table::of(&text("parameters.toml")).read().expect("the parameters are in range");
    let mut agreement = Agreement::default();
    for (name, theirs) in &theirs {
        let image = read(&photos.join(name)).expect("the photo is there");
        let ours = selective_search(&image, &settings.parameters());
        let theirs: Vec<_> = theirs.iter().map(|&[x, y, w, h]| BoundingBox::new(x, y, w, h)).collect();
        agreement.add(&ours, &theirs);
    }
    let Agreement { photos, identical, boxes, odd, ours_found, theirs_found } = agreement;
    let (ours, theirs) = (ours_found / photos as f64, theirs_found / photos as f64);
    println!(
        "{identical} of {photos} photos have the same set of boxes; {odd} of all {boxes} are in one list only"
    );
    println!("at IoU 0.9: of ours {ours:.5}, of OpenCV's {theirs:.5}");
    assert!(ours >= 0.99 && theirs >= 0.99, "of ours {ours:.4}, of OpenCV's {theirs:.4}");
}
