//! Real annotations, where a COCO root of few images is at hand: `TEST_COCO_MINI=/data/coco-mini cargo test`.

use super::{assert_close, fixture};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use univip_vision::metrics::coco::{Parameters, evaluate};
use univip_vision::metrics::files::AnnotationFile;
use univip_vision::metrics::instances::Instances;
use univip_vision::metrics::segmentation::Segmentation;
use univip_vision::metrics::{Detection, IouType};

#[derive(Deserialize)]
struct Expected {
    detections: usize,
    summary: Vec<f64>,
}

/// The detections of `make_coco_mini.py`: each object once, slightly displaced.
fn found(file: &AnnotationFile<Segmentation>, kind: IouType) -> Vec<Detection> {
    let mut categories: Vec<u64> = file.categories.iter().map(|category| category.id).collect();
    categories.sort_unstable();
    let sizes = file.sizes().unwrap();
    let mut found = Vec::new();
    for object in file.annotations.iter().filter(|object| !object.iscrowd) {
        let (number, [x, y, w, h]) = (object.id, object.bbox);
        let dx = ((number * 7919 % 17) as f64 - 8.0) / 40.0 * w;
        let dy = ((number * 104_729 % 13) as f64 - 6.0) / 40.0 * h;
        let class = categories.binary_search(&object.category_id).unwrap() + usize::from(number % 7 == 0);
        let mask = match (&object.segmentation, kind) {
            (Some(Segmentation::Polygons(polygons)), IouType::Segmentation) if !polygons.is_empty() => {
                let shift = |(place, value): (usize, &f64)| value + if place % 2 == 1 { dy } else { dx };
                let shifted = polygons.iter().map(|part| part.iter().enumerate().map(shift).collect());
                Segmentation::Polygons(shifted.collect()).mask(sizes[&object.image_id]).unwrap().mask
            }
            _ => None,
        };
        if kind == IouType::BoundingBox || mask.is_some() {
            found.push(Detection {
                image: object.image_id,
                class: class % categories.len(),
                bounding_box: [x + dx, y + dy, w, h],
                score: (number * 31 % 97) as f64 / 97.0,
                mask,
            });
        }
    }
    found
}

#[test]
fn real_annotations_give_pycocotools_numbers() {
    let Some(root) = std::env::var_os("TEST_COCO_MINI") else {
        eprintln!("skipped: TEST_COCO_MINI names no COCO root");
        return;
    };
    for (name, expected) in fixture::<BTreeMap<String, Expected>>("coco_mini.json") {
        let (split, kind) = name.split_once(' ').unwrap();
        let path = Path::new(&root).join(format!("annotations/instances_{split}.json"));
        let kind = if kind == "bbox" { IouType::BoundingBox } else { IouType::Segmentation };
        let found = found(&AnnotationFile::read(&path).unwrap(), kind);
        assert_eq!(found.len(), expected.detections, "{name}");
        let instances = Instances::read(&path, kind).unwrap();
        let classes = instances.classes.len();
        let ours = evaluate(&instances.truth, &found, kind, classes, &Parameters::default()).unwrap();
        assert_close(&ours.summary.named().map(|(_, value)| value), &expected.summary, &name);
    }
}
