//! Properties that any user of the search may rely on.

use image::{Rgb, RgbImage};
use proptest::prelude::*;
use std::collections::HashSet;
use std::time::{Duration, Instant};
use univip_core::geometry::{BoundingBox, Size};
use univip_core::recipe::{Config, Table};
use univip_selective_search::{ColourSpace, Measure, Mode, Parameters, Settings, selective_search};

#[test]
fn an_object_is_among_the_boxes_and_the_whole_image_comes_first() {
    let object = BoundingBox::new(30, 20, 50, 36);
    let image = RgbImage::from_fn(128, 96, |x, y| {
        let inside = object.contains(&BoundingBox::new(x, y, 1, 1));
        if inside { Rgb([200, 40, 30]) } else { Rgb([30, 90, 160]) }
    });
    let boxes = selective_search(&image, &Parameters::fast());
    assert_eq!(boxes[0], BoundingBox::whole(Size { width: 128, height: 96 }));
    assert!(boxes.contains(&object), "{boxes:?}");
}

#[test]
fn odd_images_have_boxes() {
    let sizes = [(1, 1), (1, 7), (7, 1), (2, 2), (3, 200), (500, 2), (16, 16)];
    for (width, height) in sizes {
        for parameters in [Parameters::fast(), Parameters::quality()] {
            let whole = BoundingBox::whole(Size { width, height });
            for image in [RgbImage::new(width, height), noise(width, height, 1)] {
                assert!(selective_search(&image, &parameters).contains(&whole), "{width} x {height}");
            }
        }
    }
    assert_eq!(selective_search(&RgbImage::new(0, 0), &Parameters::fast()), []);
    assert_eq!(selective_search(&RgbImage::new(5, 0), &Parameters::fast()), []);
}

#[test]
fn an_image_of_one_colour_has_one_box() {
    let image = RgbImage::from_pixel(64, 48, Rgb([12, 200, 90]));
    let whole = BoundingBox::whole(Size { width: 64, height: 48 });
    assert_eq!(selective_search(&image, &Parameters::quality()), [whole]);
}

#[test]
fn time_follows_the_pixels_and_not_the_shape() {
    let mut time = Vec::new();
    for (width, height) in [(448, 447), (10_000, 20), (20, 10_000)] {
        let image = noise(width, height, 2);
        let start = Instant::now();
        assert!(!selective_search(&image, &Parameters::fast()).is_empty());
        time.push(start.elapsed());
    }
    let allowed = time[0] * 4 + Duration::from_millis(200);
    assert!(time[1] < allowed && time[2] < allowed, "{time:?}");
}

#[test]
fn any_number_of_threads_finds_the_same() {
    let image = noise(160, 120, 3);
    let search = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
        pool.install(|| selective_search(&image, &Parameters::quality()))
    };
    let one = search(1);
    assert!(one.len() > 20);
    for threads in [2, 3, 8] {
        assert_eq!(search(threads), one);
    }
}

#[test]
fn a_seed_changes_the_order_alone() {
    let image = noise(160, 120, 4);
    let seeded = |seed| selective_search(&image, &Parameters { seed, ..Parameters::fast() });
    let (by_level, one, two) = (seeded(None), seeded(Some(1)), seeded(Some(2)));
    assert_eq!(one, seeded(Some(1)));
    assert_ne!(one, two);
    assert_ne!(one, by_level);
    let set = |boxes: &[BoundingBox]| boxes.iter().copied().collect::<HashSet<_>>();
    assert_eq!(set(&one), set(&two));
    assert_eq!(set(&one), set(&by_level));
}

#[test]
fn presets_are_opencvs() {
    let (fast, quality) = (Parameters::fast(), Parameters::quality());
    assert_eq!(fast.scales, [150.0, 300.0, 450.0]);
    assert_eq!(fast.spaces, [ColourSpace::Hsv, ColourSpace::Lab]);
    assert_eq!(quality.scales, [150.0, 300.0, 450.0, 600.0, 750.0]);
    assert!(quality.spaces.contains(&ColourSpace::Blue) && !quality.spaces.contains(&ColourSpace::Hue));
    assert_eq!((quality.spaces.len(), quality.strategies.len()), (5, 4));
    assert_eq!((fast.sigma, fast.min_size, fast.seed), (0.8, 100, None));
}

#[test]
fn every_parameter_can_be_set_in_a_recipe() {
    let table = Table::of(
        r#"
        mode = "quality"
        base_k = 50.0
        increment = 25.0
        scales = 2
        sigma = 0.5
        min_size = 20
        spaces = ["lab", "grey"]
        strategies = [["colour", "size"], ["fill"]]
        seed = 7
        "#,
    );
    let settings: Settings = table.read().expect("the table is valid");
    assert_eq!(settings.mode, Mode::Quality);
    let expected = Parameters {
        sigma: 0.5,
        scales: vec![50.0, 75.0],
        min_size: 20,
        spaces: vec![ColourSpace::Lab, ColourSpace::Grey],
        strategies: vec![vec![Measure::Colour, Measure::Size], vec![Measure::Fill]],
        seed: Some(7),
    };
    assert_eq!(settings.parameters(), expected);
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let cases = [
        ("base_k = -1.0", "base_k"),
        ("increment = -0.5", "increment"),
        ("sigma = 0.0", "sigma"),
        ("sigma = nan", "sigma"),
        ("min_size = 0", "min_size"),
        ("scales = 0", "scales"),
        ("spaces = []", "spaces"),
        ("strategies = []", "strategies"),
        ("strategies = [[]]", "strategies"),
        ("mode = \"slow\"", "mode"),
        ("min_sise = 3", "min_sise"),
    ];
    for (text, key) in cases {
        let problem = Table::of(text).read::<Settings>().expect_err(text).to_string();
        assert!(problem.contains(key), "{text}: {problem}");
    }
    Settings::default().check().expect("the defaults are in range");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn boxes_are_inside_the_image_and_differ(
        width in 1u32..70,
        height in 1u32..70,
        seed in any::<u32>(),
        min_size in 1u32..60,
        base_k in 0.0f32..400.0,
    ) {
        let parameters = Settings { min_size, base_k, ..Settings::default() }.parameters();
        let boxes = selective_search(&noise(width, height, seed), &parameters);
        let whole = BoundingBox::whole(Size { width, height });
        prop_assert!(boxes.iter().all(|one| one.width > 0 && one.height > 0 && whole.contains(one)));
        prop_assert_eq!(boxes.iter().collect::<HashSet<_>>().len(), boxes.len());
    }
}

/// Blocks of colour that a linear congruential generator picks, with a little grain.
fn noise(width: u32, height: u32, seed: u32) -> RgbImage {
    let hash = |a: u32, b: u32| {
        let mixed =
            (a.wrapping_mul(0x9e37_79b1) ^ b.wrapping_mul(0x85eb_ca77) ^ seed).wrapping_mul(0xc2b2_ae3d);
        mixed ^ (mixed >> 15)
    };
    RgbImage::from_fn(width, height, |x, y| {
        let [r, g, b, _] = hash(x / 13, y / 11).to_le_bytes();
        let grain = (hash(x + 1000, y) >> 8) as u8 % 9;
        Rgb([r, g, b].map(|value| value.saturating_add(grain)))
    })
}
