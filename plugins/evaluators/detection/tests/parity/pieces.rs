//! Everything that works on boxes and masks as plain numbers.

use crate::{assert_close, flat};
use serde::Deserialize;
use std::collections::BTreeMap;
use univip_detection::anchors::{Anchors, RATIOS};
use univip_detection::box_coding::BoxCoder;
use univip_detection::boxes::Corners;
use univip_detection::convention::Convention;
use univip_detection::matching::{Match, Matcher};
use univip_detection::nms::non_maximum_suppression;
use univip_detection::objects::Bitmap;
use univip_detection::pasting::paste;

type Rows = Vec<[f32; 4]>;

#[derive(Deserialize)]
struct Pieces {
    anchors: AnchorCase,
    coding: Vec<CodingCase>,
    matching: Matching,
    suppression: Suppression,
    paste: Paste,
    project: Project,
}

#[derive(Deserialize)]
struct AnchorCase {
    grid: Rows,
    cells: Rows,
}

#[derive(Deserialize)]
struct CodingCase {
    weights: [f32; 4],
    wanted: Rows,
    reference: Rows,
    encoded: Rows,
    moves: Rows,
    decoded: Rows,
}

#[derive(Deserialize)]
struct Matching {
    objects: Rows,
    candidates: Rows,
    cases: Vec<MatchingCase>,
}

#[derive(Deserialize)]
struct MatchingCase {
    high: f32,
    low: f32,
    keep: bool,
    /// -1 is background, -2 is ignored.
    matches: Vec<i64>,
}

#[derive(Deserialize)]
struct Suppression {
    boxes: Rows,
    scores: Vec<f32>,
    groups: Vec<usize>,
    kept: BTreeMap<String, Vec<usize>>,
}

#[derive(Deserialize)]
struct Paste {
    masks: Vec<Vec<f32>>,
    corners: Rows,
    /// The pixels that are set.
    pixels: Vec<Vec<usize>>,
    pixels_of_detectron2: Vec<Vec<usize>>,
}

#[derive(Deserialize)]
struct Project {
    /// The pixels that are set.
    pixels: Vec<usize>,
    corners: Rows,
    cells: Vec<Vec<f32>>,
    cells_of_detectron2: Vec<Vec<f32>>,
}

fn pieces() -> Pieces {
    serde_json::from_str(include_str!("../fixtures/pieces.json")).unwrap()
}

fn boxes(rows: &Rows) -> Vec<Corners> {
    rows.iter().map(|row| Corners::new(*row)).collect()
}

#[test]
fn anchors_stand_where_torchvision_puts_them() {
    let expected = pieces().anchors;
    let anchors = Anchors::new(&[vec![32.0], vec![64.0]], &RATIOS, true);
    assert_eq!(anchors.per_position(), 3);
    let found = anchors.of_maps(&[[3, 5], [2, 3]], [24, 40]).concat();
    assert_eq!(flat(&found), expected.grid.concat());
    let several = Anchors::new(&[vec![45.0, 128.0]], &RATIOS, true);
    assert_eq!(flat(&several.cells[0]), expected.cells.concat(), "several sizes at a position");
}

#[test]
fn boxes_are_coded_as_torchvision_codes_them() {
    for case in pieces().coding {
        let coder = BoxCoder { weights: case.weights };
        let (wanted, reference) = (boxes(&case.wanted), boxes(&case.reference));
        let encoded: Vec<f32> =
            wanted.iter().zip(&reference).flat_map(|(w, r)| coder.encode(*w, *r)).collect();
        assert_close(&encoded, &case.encoded.concat(), "encoded");
        let decoded: Vec<Corners> =
            case.moves.iter().zip(&reference).map(|(m, r)| coder.decode(*m, *r)).collect();
        assert_close(&flat(&decoded), &case.decoded.concat(), "decoded");
        for ((wanted, reference), encoded) in wanted.iter().zip(&reference).zip(&case.encoded) {
            let back = coder.decode(*encoded, *reference);
            assert_close(&back.array(), &wanted.array(), "there and back");
        }
    }
}

#[test]
fn candidates_stand_for_the_same_objects() {
    let Matching { objects, candidates, cases } = pieces().matching;
    for case in cases {
        let matcher = Matcher { object_from: case.high, background_below: case.low, keep_best: case.keep };
        let code = |found: Match| match found {
            Match::Object(object) => object as i64,
            Match::Background => -1,
            Match::Ignored => -2,
        };
        let found: Vec<i64> =
            matcher.matches(&boxes(&objects), &boxes(&candidates)).into_iter().map(code).collect();
        assert_eq!(found, case.matches, "{matcher:?}");
    }
}

#[test]
fn nothing_stands_for_an_object_that_nothing_overlaps() {
    let matcher = Matcher { object_from: 0.7, background_below: 0.3, keep_best: true };
    let far = Corners::new([90.0, 90.0, 99.0, 99.0]);
    let near = Corners::new([0.0, 0.0, 9.0, 9.0]);
    assert_eq!(matcher.matches(&[far], &[near, near]), [Match::Background; 2]);
    assert_eq!(matcher.matches(&[], &[near]), [Match::Background]);
}

#[test]
fn suppression_keeps_the_same_boxes_in_the_same_order() {
    let Suppression { boxes: rows, scores, groups, kept } = pieces().suppression;
    for (iou, expected) in kept {
        let found = non_maximum_suppression(&boxes(&rows), &scores, &groups, iou.parse().unwrap());
        assert_eq!(found, expected, "{iou}");
    }
}

#[test]
fn anchors_of_detectron2_are_not_rounded() {
    let anchors = Anchors::new(&[vec![32.0]], &RATIOS, false);
    // The area is the size's square and the height over the width the ratio.
    let (wide, whole) = (32f32 / 2f32.sqrt(), 32f32 * 2f32.sqrt());
    let expected = [[whole, wide], [32.0, 32.0], [wide, whole]];
    let expected = expected.map(|[w, h]| [-w / 2.0, -h / 2.0, w / 2.0, h / 2.0]);
    assert_close(&flat(&anchors.cells[0]), &expected.concat(), "anchors");
}

#[test]
fn masks_are_pasted_into_the_same_pixels() {
    let Paste { masks, corners, pixels, pixels_of_detectron2 } = pieces().paste;
    for (convention, pixels) in
        [(Convention::Torchvision, pixels), (Convention::Detectron2, pixels_of_detectron2)]
    {
        for ((mask, corners), expected) in masks.iter().zip(&corners).zip(pixels) {
            let found = paste(mask, Corners::new(*corners), [48, 44], convention);
            let set: Vec<usize> = (0..found.pixels.len()).filter(|pixel| found.pixels[*pixel]).collect();
            assert!(expected.len() > 50, "the case says something");
            assert_eq!(set, expected, "{convention:?}");
        }
    }
}

#[test]
fn masks_are_projected_on_boxes_as_there() {
    let Project { pixels: set, corners, cells, cells_of_detectron2 } = pieces().project;
    let mut bitmap = Bitmap { size: [48, 44], pixels: vec![false; 48 * 44] };
    set.into_iter().for_each(|pixel| bitmap.pixels[pixel] = true);
    for (convention, cells) in
        [(Convention::Torchvision, cells), (Convention::Detectron2, cells_of_detectron2)]
    {
        for (corners, expected) in corners.iter().zip(&cells) {
            let projected = |corners, image| bitmap.project(Corners::new(corners), image, 28, convention);
            assert_close(&projected(*corners, [48, 44]), expected, "projected");
            // The image is seen at twice its size, the mask is not.
            let twice = projected(corners.map(|at| 2.0 * at), [96, 88]);
            assert_close(&twice, expected, "projected from a larger image");
        }
    }
    let mirrored = bitmap.clone().mirrored();
    assert!((0..44).all(|column| mirrored.pixels[20 * 44 + column] == bitmap.pixels[20 * 44 + 43 - column]));
}
