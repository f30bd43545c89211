//! Run lengths.

use super::{assert_close, fixture};
use proptest::prelude::*;
use serde::Deserialize;
use univip_core::geometry::{BoundingBox, Size};
use univip_core::metrics::rle::Rle;
use univip_core::metrics::segmentation::Segmentation;

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
        let drawn = mask(json).unwrap();
        assert_eq!(drawn.mask, Some(expected.clone()), "{json}");
        assert!(drawn.oddities.is_empty(), "{:?}", drawn.oddities);
    }
    let drawn = mask("[[1, 1, 3, 1, 3, 3, 1, 3], [0, 0, 4, 3]]").unwrap();
    assert_eq!((drawn.mask, drawn.oddities.len()), (Some(expected), 1), "the other polygons stay");
    let floats = mask(r#"{"size": [3.0, 4], "counts": [4.0, 2, 1, 2, 3]}"#).unwrap();
    assert_eq!(floats.mask, mask(r#"{"size": [3, 4], "counts": [4, 2, 1, 2, 3]}"#).unwrap().mask);
    let other = mask(r#"{"size": [4, 3], "counts": [12]}"#).unwrap_err().to_string();
    assert!(other.contains("3 x 4 pixels, and the image has 4 x 3"), "{other}");
    for json in ["{}", "3", r#"{"size": [3, 4], "counts": 5}"#, r#"{"size": [3, 4], "counts": [-1, 13]}"#] {
        assert!(serde_json::from_str::<Segmentation>(json).is_err(), "{json}");
    }
}

/// pycocotools' values: `odd.json`, made by `fixtures/metrics/make_odd.py`.
#[test]
fn odd_polygons_are_drawn_as_pycocotools_draws_them() {
    #[derive(Deserialize)]
    struct Odd {
        segmentation: Segmentation,
        /// None where pycocotools raises an exception.
        compressed: Option<String>,
    }
    let size = Size { width: 100, height: 80 };
    let mut drawn_by_both = 0;
    for Odd { segmentation, compressed } in fixture::<Vec<Odd>>("odd.json") {
        let drawn = segmentation.mask(size).unwrap();
        let Segmentation::Polygons(polygons) = &segmentation else { panic!("a polygon") };
        let empty = polygons.iter().all(Vec::is_empty);
        assert_eq!(drawn.mask.is_none() && drawn.oddities.is_empty(), empty, "{polygons:?}");
        if let Some(text) = compressed {
            let expected = Rle::from_compressed(size, &text).unwrap();
            assert_eq!(drawn.mask.unwrap_or(Rle::empty(size).unwrap()), expected, "{polygons:?}");
            drawn_by_both += 1;
        }
    }
    assert!(drawn_by_both >= 10, "{drawn_by_both}");
}

/// An outline may go over the same places again and again, and far out of its image: only what is left in the image is kept.
#[test]
fn the_changes_of_a_polygon_are_no_more_than_the_pixels() {
    let size = Size { width: 2_000_000, height: 1 };
    let there_and_back: Vec<f64> = (0..40).flat_map(|point| [1e6 * f64::from(point % 2), 0.0]).collect();
    let mask = Rle::from_polygons(size, [&there_and_back[..]]).unwrap();
    assert_eq!(mask, Rle::empty(size).unwrap());
    let around = [-1e6, -1e6, 1e6, -1e6, 1e6, 1e6, -1e6, 1e6];
    let small = Size { width: 3, height: 2 };
    assert_eq!(Rle::from_polygons(small, [&around[..]]).unwrap().counts(), [0, 6]);
    let comb: Vec<f64> =
        (0..40).flat_map(|point| [1e6 * f64::from(point % 2), 100.0 * f64::from(point)]).collect();
    let large = Size { width: 1_000_000, height: 4000 };
    let said = Rle::from_polygons(large, [&comb[..]]).unwrap_err().to_string();
    assert!(said.contains("passes more than 4194304 pixels; expected a simpler one"), "{said}");
}

/// Sides of every slope, also steep and far outside, against a walk over all points of the fine grid.
#[test]
fn the_columns_that_a_side_passes_are_those_of_the_whole_walk() {
    let mut random = univip_core::seed::stream(0, "sides", &[]);
    for _ in 0..3000 {
        use rand::Rng;
        let size = Size { width: random.random_range(1..40), height: random.random_range(1..40) };
        let reach = [3.0, 60.0, 500.0][random.random_range(0..3)];
        let polygon: Vec<f64> = (0..2 * random.random_range(3..7))
            .map(|_| (f64::round(random.random_range(-reach..reach) * 8.0)) / 8.0)
            .collect();
        let expected = Rle::new(size, &walked(&polygon, size)).unwrap();
        assert_eq!(Rle::from_polygons(size, [&polygon[..]]).unwrap(), expected, "{polygon:?} in {size:?}");
    }
}

/// More changes than there are pixels, which cancel each other at most places.
#[test]
fn an_outline_with_thousands_of_sides_is_that_of_the_whole_walk() {
    let mut random = univip_core::seed::stream(0, "many sides", &[]);
    for (width, height) in [(64, 48), (31, 1), (1, 33), (700, 500)] {
        use rand::Rng;
        let size = Size { width, height };
        let reach = f64::from(width.max(height));
        let polygon: Vec<f64> =
            (0..4000).map(|_| f64::round(random.random_range(-0.2..1.2) * reach * 4.0) / 4.0).collect();
        let expected = Rle::new(size, &walked(&polygon, size)).unwrap();
        assert_eq!(Rle::from_polygons(size, [&polygon[..]]).unwrap(), expected, "{width} x {height}");
    }
}

/// The runs of a polygon by the points of its outline, one after the other, as `maskApi.c` goes.
fn walked(polygon: &[f64], size: Size) -> Vec<u32> {
    let fine: Vec<i64> = polygon.iter().map(|coordinate| (5.0 * coordinate + 0.5) as i64).collect();
    let points: Vec<[i64; 2]> = fine.chunks_exact(2).map(|point| [point[0], point[1]]).collect();
    let mut outline = Vec::new();
    for (index, &start) in points.iter().enumerate() {
        let end = points[(index + 1) % points.len()];
        let reach = [(end[0] - start[0]).abs(), (end[1] - start[1]).abs()];
        let along = usize::from(reach[0] < reach[1]);
        let backwards = start[along] > end[along];
        let (from, to) = if backwards { (end, start) } else { (start, end) };
        let slope = match reach[along] {
            0 => 0.0,
            steps => (to[1 - along] - from[1 - along]) as f64 / steps as f64,
        };
        for step in 0..=reach[along] {
            let step = if backwards { reach[along] - step } else { step };
            let mut point = [from[along] + step; 2];
            point[1 - along] = (from[1 - along] as f64 + slope * step as f64 + 0.5) as i64;
            outline.push(point);
        }
    }
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let mut places: Vec<u32> = Vec::new();
    for pair in outline.windows(2) {
        let ([last_u, last_v], [u, v]) = (pair[0], pair[1]);
        let x = ((if u < last_u { u } else { u - 1 }) as f64 + 0.5) / 5.0 - 0.5;
        if u != last_u && x.floor() == x && (0.0..width).contains(&x) {
            let y = ((v.min(last_v) as f64 + 0.5) / 5.0 - 0.5).clamp(0.0, height).ceil();
            places.push((x * height + y) as u32);
        }
    }
    places.push(size.width * size.height);
    places.sort_unstable();
    let mut at = 0;
    places.iter().map(|&place| place - std::mem::replace(&mut at, place)).collect()
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
