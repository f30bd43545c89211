//! Run lengths.

use super::{assert_close, fixture};
use proptest::prelude::*;
use serde::Deserialize;
use univip_vision::geometry::{BoundingBox, Size};
use univip_vision::metrics::rle::Rle;
use univip_vision::metrics::segmentation::Segmentation;

#[derive(Deserialize)]
struct Masks {
    polygons: Vec<Described>,
    bitmaps: Vec<Described>,
    pairs: Vec<Pair>,
}

#[derive(Deserialize)]
struct Described {
    /// Height and width.
    size: [u32; 2],
    compressed: String,
    area: u64,
    r#box: [f64; 4],
    #[serde(default)]
    polygons: Vec<Vec<f64>>,
    #[serde(default)]
    rows: Vec<String>,
}

#[derive(Deserialize)]
struct Pair {
    size: [u32; 2],
    one: String,
    other: String,
    union: String,
    shared: u64,
    iou: f64,
    crowd: f64,
}

fn size([height, width]: [u32; 2]) -> Size {
    Size { width, height }
}

fn check(mask: &Rle, expected: &Described) {
    assert_eq!(mask.compressed(), expected.compressed);
    assert_eq!(mask, &Rle::from_compressed(size(expected.size), &expected.compressed).unwrap());
    assert_eq!(mask.area(), expected.area);
    let bounds =
        mask.bounding_box().map(|found| [found.x, found.y, found.width, found.height].map(f64::from));
    assert_eq!(bounds.unwrap_or([0.0; 4]), expected.r#box);
}

#[test]
fn polygons_are_drawn_bit_for_bit() {
    for case in fixture::<Masks>("masks.json").polygons {
        let polygons = case.polygons.iter().map(Vec::as_slice);
        check(&Rle::from_polygons(size(case.size), polygons).unwrap(), &case);
    }
}

#[test]
fn pixels_become_runs_and_pixels_again() {
    for case in fixture::<Masks>("masks.json").bitmaps {
        let size = size(case.size);
        let pixels: Vec<u8> = case.rows.iter().flat_map(|row| row.bytes().map(|byte| byte - b'0')).collect();
        let inside = |x: u32, y: u32| pixels[(y * size.width + x) as usize] == 1;
        let mask = Rle::draw(size, BoundingBox::whole(size), inside).unwrap();
        check(&mask, &case);
        assert_eq!(mask.decode(), pixels);
        if let Some(bounds) = mask.bounding_box() {
            assert_eq!(Rle::draw(size, bounds, inside).unwrap(), mask, "inside of its box alone");
        }
    }
}

#[test]
fn two_masks_overlap_and_join() {
    for pair in fixture::<Masks>("masks.json").pairs {
        let read = |text: &str| Rle::from_compressed(size(pair.size), text).unwrap();
        let (one, other) = (read(&pair.one), read(&pair.other));
        assert_eq!(one.union(&other).unwrap().compressed(), pair.union);
        assert_eq!(one.intersection(&other).unwrap(), pair.shared);
        let overlaps = [one.iou(&other, false).unwrap(), one.iou(&other, true).unwrap()];
        // serde_json reads numbers of 17 digits up to the last one.
        assert_close(&overlaps, &[pair.iou, pair.crowd], "overlaps");
    }
}

#[test]
fn every_way_to_write_the_same_mask_is_the_same() {
    let size = Size { width: 4, height: 3 };
    let plain = Rle::new(size, &[2, 3, 7]).unwrap();
    for counts in [&[2, 3, 7, 0][..], &[2, 1, 0, 2, 7], &[0, 0, 2, 3, 4, 0, 3], &[2, 0, 0, 3, 7]] {
        assert_eq!(Rle::new(size, counts).unwrap(), plain, "{counts:?}");
    }
    assert_eq!(Rle::new(size, &[0, 12]).unwrap().counts(), [0, 12]);
    assert_eq!(Rle::new(size, &[12]).unwrap().bounding_box(), None);
    assert_eq!(Rle::new(Size { width: 0, height: 3 }, &[]).unwrap().counts(), [0]);
}

#[test]
fn what_is_no_mask_is_refused_with_the_reason() {
    let size = Size { width: 4, height: 3 };
    let error = |result: anyhow::Result<Rle>| format!("{:#}", result.unwrap_err());
    assert!(error(Rle::new(size, &[2, 3])).contains("5 pixels in all, and its image of 4 x 3 has 12"));
    let vast = Size { width: 100_000, height: 100_000 };
    assert!(error(Rle::new(vast, &[])).contains("100000 x 100000 pixels is too large"));
    let outside = Rle::draw(size, BoundingBox::new(2, 0, 3, 1), |_, _| true);
    assert!(error(outside).contains("not inside an image"));
    for (text, expected) in [
        ("2 ", "character 2 of a compressed mask is ' '; expected `0` to `o`"),
        ("2ÿ", "character 2"),
        ("22X", "ends in the middle of a number"),
        ("oooooooooo", "a number of more than 32 bits"),
        ("222@", "ends a run of -14 pixels"),
        ("222", "6 pixels in all"),
    ] {
        let said = error(Rle::from_compressed(size, text));
        assert!(said.contains(expected), "{text}: {said}");
    }
    for (polygon, expected) in [
        (&[1.0, 1.0, 2.0, 2.0][..], "a polygon has 2 points; expected at least three"),
        (&[1.0, 1.0, 2.0, 2.0, 3.0], "a polygon has 5 numbers"),
        (&[1.0, 1.0, 2.0, 2.0, 3.0, f64::NAN], "NaN"),
        (&[1.0, 1.0, 2.0, 2.0, 3.0, 1e300], "expected pixels"),
    ] {
        let said = error(Rle::from_polygons(size, [polygon]));
        assert!(said.contains(expected), "{polygon:?}: {said}");
    }
    let (one, other) =
        (Rle::new(size, &[12]).unwrap(), Rle::new(Size { width: 3, height: 4 }, &[12]).unwrap());
    assert!(
        format!("{:#}", one.iou(&other, false).unwrap_err()).contains("4 x 3 pixels, the other of 3 x 4")
    );
}

#[test]
fn files_write_a_mask_in_three_ways() {
    let size = Size { width: 4, height: 3 };
    let mask = |json: &str| serde_json::from_str::<Segmentation>(json).unwrap().mask(size);
    let expected = Rle::new(size, &[4, 2, 1, 2, 3]).unwrap();
    for json in [
        "[[1, 1, 3, 1, 3, 3, 1, 3]]",
        "[[1, 1, 3, 1, 3, 2, 1, 2], [1, 2, 3, 2, 3, 3, 1, 3]]",
        r#"{"size": [3, 4], "counts": [4, 2, 1, 2, 3]}"#,
        r#"{"counts": "42102", "size": [3, 4], "else": [1, {"a": 2}]}"#,
    ] {
        let (found, problems) = mask(json).unwrap();
        assert_eq!(found, Some(expected.clone()), "{json}");
        assert!(problems.is_empty(), "{problems:?}");
    }
    let (found, problems) = mask("[[1, 1, 3, 1, 3, 3, 1, 3], [0, 0, 4, 3]]").unwrap();
    assert_eq!((found, problems.len()), (Some(expected), 1), "the other polygons stay");
    assert!(mask("[[0, 0, 4, 3]]").unwrap().0.is_none() && mask("[]").unwrap().0.is_none());
    let other = mask(r#"{"size": [4, 3], "counts": [12]}"#).unwrap_err().to_string();
    assert!(other.contains("3 x 4 pixels, and the image has 4 x 3"), "{other}");
    for json in ["{}", "3", r#"{"size": [3, 4], "counts": 5}"#, r#"{"size": [3, 4], "counts": [-1, 13]}"#] {
        assert!(serde_json::from_str::<Segmentation>(json).is_err(), "{json}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn the_arithmetic_of_masks_is_that_of_their_pixels(
        (width, height) in (1_u32..12, 1_u32..12),
        bits in proptest::collection::vec(any::<(bool, bool)>(), 144),
    ) {
        let size = Size { width, height };
        let whole = BoundingBox::whole(size);
        let at = |x: u32, y: u32| bits[(x * height + y) as usize];
        let draw = |which: fn((bool, bool)) -> bool| Rle::draw(size, whole, |x, y| which(at(x, y))).unwrap();
        let (one, other) = (draw(|pair| pair.0), draw(|pair| pair.1));
        prop_assert_eq!(one.union(&other).unwrap(), draw(|pair| pair.0 || pair.1));
        prop_assert_eq!(one.intersection(&other).unwrap(), draw(|pair| pair.0 && pair.1).area());
        prop_assert_eq!(&Rle::from_compressed(size, &one.compressed()).unwrap(), &one);
        prop_assert_eq!(one.decode().iter().filter(|&&pixel| pixel == 1).count() as u64, one.area());
    }

    #[test]
    fn a_string_from_anywhere_is_a_mask_or_an_error(text in ".{0,24}") {
        let size = Size { width: 9, height: 7 };
        if let Ok(mask) = Rle::from_compressed(size, &text) {
            prop_assert_eq!(mask.counts().iter().sum::<u32>(), 63);
        }
    }
}
