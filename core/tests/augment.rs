//! Every transformation against what Pillow and torchvision make of the same pixels
//! (`fixtures/augment/make.py`), and what the random choices are.

use image::RgbImage;
use std::path::PathBuf;
use univip_core::geometry::{BoundingBox, Size};
use univip_core::image_file::read;
use univip_core::recipe::{AugmentSettings, Augmentation, BlurScale, Interpolation};
use univip_core::seed::stream;
use univip_core::views::augment::{Adjustment, Jitter, Renderer, ViewParameters};

/// The side of `view.png`.
const SIDE: u32 = 47;

fn fixture(name: &str) -> RgbImage {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/augment/{name}.png"));
    read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A renderer whose output is grey levels: it subtracts nothing and multiplies by 255.
fn levels(interpolation: Interpolation) -> Renderer {
    let std = [1.0 / 255.0; 3];
    Renderer::new(&AugmentSettings { interpolation, mean: [0.0; 3], std, ..AugmentSettings::default() })
}

fn whole(image: &RgbImage) -> BoundingBox {
    BoundingBox::new(0, 0, image.width(), image.height())
}

/// Fails unless every level is within `most` of the fixture's, and the mean difference within `mean`.
fn check(name: &str, rendered: &[f32], most: f32, mean: f32) {
    let expected = fixture(name);
    assert_eq!(rendered.len(), expected.as_raw().len(), "{name}: shape");
    let differences: Vec<f32> =
        rendered.iter().zip(expected.as_raw()).map(|(a, b)| (a - f32::from(*b)).abs()).collect();
    let largest = differences.iter().fold(0.0f32, |a, b| a.max(*b));
    let average = differences.iter().sum::<f32>() / differences.len() as f32;
    assert!(
        largest <= most && average <= mean,
        "{name}: differs by up to {largest} (allowed {most}), on average {average} (allowed {mean})"
    );
}

fn rendered(parameters: ViewParameters) -> Vec<f32> {
    let view = fixture("view");
    let mut out = vec![f32::NAN; view.as_raw().len()];
    levels(Interpolation::Bilinear).render(&view, &whole(&view), SIDE, &parameters, &mut out).unwrap();
    out
}

const UNCHANGED: Jitter = Jitter {
    order: [Adjustment::Saturation, Adjustment::Contrast, Adjustment::Hue, Adjustment::Brightness],
    brightness: 1.0,
    contrast: 1.0,
    saturation: 1.0,
    hue: 0.0,
};

#[test]
fn nothing_happens_without_a_transformation() {
    check("view", &rendered(ViewParameters::default()), 0.0, 0.0);
    check("view", &rendered(ViewParameters { jitter: Some(UNCHANGED), ..Default::default() }), 0.0, 0.0);
}

#[test]
fn flips_greys_and_solarises_exactly() {
    check("flip", &rendered(ViewParameters { flip: true, ..Default::default() }), 0.0, 0.0);
    check("grey", &rendered(ViewParameters { grey: true, ..Default::default() }), 0.0, 0.0);
    check("solarize", &rendered(ViewParameters { solarize: true, ..Default::default() }), 0.0, 0.0);
    // The same flip where colours change too.
    let both = ViewParameters { flip: true, jitter: Some(UNCHANGED), ..Default::default() };
    check("flip", &rendered(both), 0.0, 0.0);
}

#[test]
fn jitters_as_torchvision_on_pillow_images() {
    let cases = [
        ("brightness-0.6", Jitter { brightness: 0.6, ..UNCHANGED }),
        ("brightness-1.4", Jitter { brightness: 1.4, ..UNCHANGED }),
        ("contrast-0.6", Jitter { contrast: 0.6, ..UNCHANGED }),
        ("contrast-1.4", Jitter { contrast: 1.4, ..UNCHANGED }),
        ("saturation-0.6", Jitter { saturation: 0.6, ..UNCHANGED }),
        ("saturation-1.4", Jitter { saturation: 1.4, ..UNCHANGED }),
        ("hue--0.1", Jitter { hue: -0.1, ..UNCHANGED }),
        ("hue-0.05", Jitter { hue: 0.05, ..UNCHANGED }),
        ("hue-0.5", Jitter { hue: 0.5, ..UNCHANGED }),
        (
            "jitter-saturation-contrast-hue-brightness",
            Jitter { brightness: 1.3, contrast: 0.7, saturation: 1.2, hue: 0.08, ..UNCHANGED },
        ),
    ];
    for (name, jitter) in cases {
        // A hue on the border of two of its 255 steps may fall to the other side: 6 levels, in few pixels.
        let most = if jitter.hue == 0.0 { 0.0 } else { 7.0 };
        check(name, &rendered(ViewParameters { jitter: Some(jitter), ..Default::default() }), most, 0.02);
    }
}

#[test]
fn grey_comes_before_the_jitter_or_after_it() {
    let jitter = Jitter { brightness: 1.3, contrast: 0.7, saturation: 1.2, hue: 0.08, ..UNCHANGED };
    let parameters = |grey_first| ViewParameters {
        jitter: Some(jitter),
        grey: true,
        grey_first,
        ..ViewParameters::default()
    };
    check("grey-then-jitter", &rendered(parameters(true)), 0.0, 0.0);
    check("jitter-then-grey", &rendered(parameters(false)), 3.0, 0.02);
    // The two differ by more than that.
    let pairs = rendered(parameters(true)).into_iter().zip(rendered(parameters(false)));
    let apart = pairs.map(|(one, other)| (one - other).abs()).fold(0.0f32, f32::max);
    assert!(apart > 5.0, "{apart}");
    // The order is none of the random choices: all others are as without it.
    let drawn = |grey_first| {
        let settings = Augmentation { grey_first, ..Augmentation::default() };
        (0..50)
            .map(|view| ViewParameters::draw(&settings, &mut stream(0, "test", &[view])))
            .collect::<Vec<_>>()
    };
    let (first, last) = (drawn(true), drawn(false));
    assert!(first.iter().any(|view| view.grey) && first.iter().all(|view| view.grey_first == view.grey));
    let undone =
        first.into_iter().map(|view| ViewParameters { grey_first: false, ..view }).collect::<Vec<_>>();
    assert_eq!(undone, last);
}

#[test]
fn blurs_as_pillow() {
    // Pillow rounds after each of its six passes, here nothing is rounded. And Pillow repeats the edge pixel before
    // each pass; mirrored once, which is the same up to sigma 1.4, the outermost pixels of wider blurs differ.
    for (sigma, most) in [(0.1, 3.0), (0.5, 3.0), (1.0, 3.0), (1.4, 3.0), (1.7, 10.0)] {
        // Recipes state sigma for a view of 224 pixels.
        let blur = Some(sigma * 224.0 / f64::from(SIDE));
        let name = format!("blur-{sigma:?}");
        check(&name, &rendered(ViewParameters { blur, ..Default::default() }), most, 1.0);
    }
}

#[test]
fn an_absolute_blur_is_pillows_in_a_view_of_any_side() {
    let settings = AugmentSettings {
        mean: [0.0; 3],
        std: [1.0 / 255.0; 3],
        blur_scale: BlurScale::Absolute,
        ..AugmentSettings::default()
    };
    for (sigma, most) in [(0.1, 3.0), (0.5, 3.0), (1.0, 3.0), (1.4, 3.0), (1.7, 10.0)] {
        let view = fixture("view");
        let mut out = vec![f32::NAN; view.as_raw().len()];
        let parameters = ViewParameters { blur: Some(sigma), ..Default::default() };
        Renderer::new(&settings).render(&view, &whole(&view), SIDE, &parameters, &mut out).unwrap();
        check(&format!("blur-{sigma:?}"), &out, most, 1.0);
    }
}

#[test]
fn a_smaller_view_is_blurred_by_fewer_pixels() {
    // A bright line in the middle spreads over a third of the pixels where the view is a third as wide.
    let spread = |side: u32| {
        let line = RgbImage::from_fn(side, side, |x, _| image::Rgb([if x == side / 2 { 255 } else { 0 }; 3]));
        let mut out = vec![0.0; 3 * (side * side) as usize];
        let parameters = ViewParameters { blur: Some(6.0), ..Default::default() };
        levels(Interpolation::Bilinear).render(&line, &whole(&line), side, &parameters, &mut out).unwrap();
        let (mut mass, mut variance) = (0.0, 0.0);
        for (x, pixel) in out[..3 * side as usize].chunks(3).enumerate() {
            let distance = x as f64 - f64::from(side / 2);
            mass += f64::from(pixel[0]);
            variance += f64::from(pixel[0]) * distance * distance;
        }
        (variance / mass).sqrt()
    };
    for (side, sigma) in [(224, 6.0), (112, 3.0), (96, 6.0 * 96.0 / 224.0)] {
        assert!((spread(side) - sigma).abs() < 0.02, "side {side}: {} instead of {sigma}", spread(side));
    }
}

#[test]
fn crops_and_resizes_as_torchvision_on_pillow_images() {
    let photo = fixture("photo");
    let mut out = vec![f32::NAN; 32 * 32 * 3];
    for (x, y, width, height) in
        [(0, 0, 61, 47), (7, 3, 50, 41), (10, 12, 9, 14), (60, 46, 1, 1), (5, 0, 1, 47)]
    {
        // Bicubic overshoots at edges and is cut off between the two passes, which the resizer may exchange.
        for (name, interpolation, most) in
            [("bilinear", Interpolation::Bilinear, 1.0), ("bicubic", Interpolation::Bicubic, 8.0)]
        {
            let crop = BoundingBox::new(x, y, width, height);
            let parameters = ViewParameters::default();
            levels(interpolation).render(&photo, &crop, 32, &parameters, &mut out).unwrap();
            check(&format!("crop-{x}-{y}-{width}-{height}-{name}"), &out, most, 0.3);
        }
    }
}

#[test]
fn evaluators_see_the_centre_as_torchvision_cuts_it() {
    let photo = fixture("photo");
    for size in [14, 28, 35] {
        let mut out = vec![f32::NAN; 3 * (size * size) as usize];
        levels(Interpolation::Bilinear).plain(&photo, size, &mut out).unwrap();
        check(&format!("plain-{size}"), &out, 1.0, 0.25);
    }
}

#[test]
fn whole_images_are_resized_as_pillow_does_and_mirrored() {
    let photo = fixture("photo");
    for (width, height) in [(80, 30), (40, 31)] {
        let size = Size { width, height };
        let draw = |mirrored| {
            let mut out = vec![f32::NAN; 3 * (width * height) as usize];
            levels(Interpolation::Bilinear).whole(&photo, size, mirrored, &mut out).unwrap();
            out
        };
        let plain = draw(false);
        check(&format!("whole-{width}-{height}"), &plain, 1.0, 0.25);
        let mirror = |row: &[f32]| row.chunks(3).rev().flatten().copied().collect::<Vec<f32>>();
        let mirrored: Vec<f32> = plain.chunks(3 * width as usize).flat_map(mirror).collect();
        assert_eq!(draw(true), mirrored);
    }
}

#[test]
fn normalises_with_mean_and_deviation_of_each_channel() {
    let image = RgbImage::from_pixel(4, 4, image::Rgb([255, 0, 128]));
    let mut out = vec![f32::NAN; 48];
    let settings = AugmentSettings::default();
    for blur in [None, Some(1.0)] {
        let parameters = ViewParameters { blur, ..Default::default() };
        Renderer::new(&settings).render(&image, &whole(&image), 4, &parameters, &mut out).unwrap();
        for pixel in out.chunks(3) {
            let expected = [(1.0 - 0.485) / 0.229, (0.0 - 0.456) / 0.224, (128.0 / 255.0 - 0.406) / 0.225];
            for (level, expected) in pixel.iter().zip(expected) {
                assert!((level - expected).abs() < 1e-4, "{level} instead of {expected}");
            }
        }
    }
}

#[test]
fn any_image_can_be_rendered_at_any_size() {
    let settings = AugmentSettings::default();
    let renderer = Renderer::new(&settings);
    for (width, height) in [(1, 1), (1, 300), (300, 1), (2, 3), (97, 13)] {
        let image = RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 9]));
        for size in [1, 2, 7, 32, 96] {
            let mut stream = stream(0, "any", &[width.into(), height.into(), size.into()]);
            let mut out = vec![f32::NAN; 3 * (size * size) as usize];
            let parameters = renderer.draw("view1", &mut stream).unwrap();
            renderer.render(&image, &whole(&image), size, &parameters, &mut out).unwrap();
            assert!(out.iter().all(|level| level.is_finite()), "view {width} x {height} -> {size}");
            out.fill(f32::NAN);
            renderer.plain(&image, size, &mut out).unwrap();
            assert!(out.iter().all(|level| level.is_finite()), "plain {width} x {height} -> {size}");
            out.fill(f32::NAN);
            renderer.random_crop_flip(&image, size, &mut stream, &mut out).unwrap();
            assert!(out.iter().all(|level| level.is_finite()), "probe {width} x {height} -> {size}");
        }
    }
}

#[test]
fn a_view_depends_on_its_stream_alone_and_not_on_what_was_rendered_before() {
    let photo = fixture("photo");
    let settings = AugmentSettings::default();
    let render = |index: u64, size: u32| {
        let mut out = vec![f32::NAN; 3 * (size * size) as usize];
        let crop = BoundingBox::new(3, 2, 40, 44);
        let mut stream = stream(1, "augment", &[index]);
        let renderer = Renderer::new(&settings);
        let parameters = renderer.draw("view1", &mut stream).unwrap();
        renderer.render(&photo, &crop, size, &parameters, &mut out).unwrap();
        out
    };
    let first = render(0, 24);
    assert_ne!(first, render(1, 24));
    render(2, 48);
    assert_eq!(first, render(0, 24));
    let elsewhere = std::thread::scope(|scope| scope.spawn(|| render(0, 24)).join());
    assert_eq!(first, elsewhere.unwrap());
}

#[test]
fn a_crop_outside_of_its_image_and_a_buffer_of_another_size_are_refused() {
    let photo = fixture("photo");
    let renderer = levels(Interpolation::Bilinear);
    let render = |crop: BoundingBox, floats: usize| {
        let mut out = vec![0.0; floats];
        let result = renderer.render(&photo, &crop, 8, &ViewParameters::default(), &mut out);
        result.err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(render(BoundingBox::new(0, 0, 8, 8), 192), "");
    for crop in [(60, 0, 2, 1), (0, 46, 1, 2), (0, 0, 0, 5), (u32::MAX, 0, 2, 2)] {
        let message = render(BoundingBox::new(crop.0, crop.1, crop.2, crop.3), 192);
        assert!(message.contains("not inside the image of 61 x 47 pixels"), "{crop:?}: {message}");
    }
    assert!(render(BoundingBox::new(0, 0, 8, 8), 191).contains("192 floats, not 191"));
    let empty = RgbImage::new(0, 0);
    assert!(renderer.plain(&empty, 8, &mut [0.0; 192]).is_err());
    let size = Size { width: 8, height: 8 };
    assert!(renderer.whole(&empty, size, false, &mut [0.0; 192]).is_err());
}

#[test]
fn each_transformation_happens_with_its_probability_and_within_its_strength() {
    let settings = Augmentation { flip: 0.25, blur: 0.1, solarize: 0.2, ..Augmentation::default() };
    const DRAWS: u64 = 20_000;
    let drawn: Vec<ViewParameters> =
        (0..DRAWS).map(|index| ViewParameters::draw(&settings, &mut stream(5, "draw", &[index]))).collect();
    let share = |happens: &dyn Fn(&ViewParameters) -> bool| {
        drawn.iter().filter(|p| happens(p)).count() as f64 / DRAWS as f64
    };
    let shares = [
        ("flip", 0.25, share(&|p| p.flip)),
        ("jitter", 0.8, share(&|p| p.jitter.is_some())),
        ("grey", 0.2, share(&|p| p.grey)),
        ("blur", 0.1, share(&|p| p.blur.is_some())),
        ("solarize", 0.2, share(&|p| p.solarize)),
        ("flip and grey", 0.05, share(&|p| p.flip && p.grey)),
        ("blur and solarize", 0.02, share(&|p| p.blur.is_some() && p.solarize)),
    ];
    for (name, expected, share) in shares {
        // Four standard deviations of the share.
        let tolerance = 4.0 * (expected * (1.0 - expected) / DRAWS as f64).sqrt();
        assert!((share - expected).abs() < tolerance, "{name}: {share} instead of {expected}");
    }

    let jitters: Vec<Jitter> = drawn.iter().filter_map(|p| p.jitter).collect();
    let ranges = [
        ("brightness", 0.6, 1.4, jitters.iter().map(|jitter| jitter.brightness).collect::<Vec<f32>>()),
        ("contrast", 0.6, 1.4, jitters.iter().map(|jitter| jitter.contrast).collect()),
        ("saturation", 0.8, 1.2, jitters.iter().map(|jitter| jitter.saturation).collect()),
        ("hue", -0.1, 0.1, jitters.iter().map(|jitter| jitter.hue).collect()),
    ];
    for (name, from, to, values) in ranges {
        check_uniform(name, from, to, values.into_iter().map(f64::from));
    }
    check_uniform("sigma", 0.1, 2.0, drawn.iter().filter_map(|p| p.blur));

    let mut orders = std::collections::HashMap::new();
    for jitter in &jitters {
        *orders.entry(jitter.order).or_insert(0u32) += 1;
    }
    assert_eq!(orders.len(), 24, "every order of the four adjustments");
    let expected = jitters.len() as f64 / 24.0;
    for (order, count) in orders {
        assert!((f64::from(count) - expected).abs() < 5.0 * expected.sqrt(), "{order:?}: {count}");
    }
}

fn check_uniform(name: &str, from: f64, to: f64, values: impl Iterator<Item = f64>) {
    let values: Vec<f64> = values.collect();
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    let expected = (to - from) / 12f64.sqrt();
    let within = values.iter().all(|value| (from - 1e-6..=to + 1e-6).contains(value));
    assert!(within, "{name}: outside of {from}..={to}");
    let tolerance = 4.0 * expected / count.sqrt();
    assert!((mean - (from + to) / 2.0).abs() < tolerance, "{name}: mean {mean}");
    assert!((deviation - expected).abs() < tolerance, "{name}: deviation {deviation} instead of {expected}");
}

#[test]
fn a_probability_of_one_always_happens_and_of_zero_never() {
    let draw = |probability: f64, index: u64| {
        let settings = Augmentation {
            flip: probability,
            jitter: probability,
            grey: probability,
            blur: probability,
            solarize: probability,
            ..Augmentation::default()
        };
        ViewParameters::draw(&settings, &mut stream(0, "certain", &[index]))
    };
    for index in 0..500 {
        assert_eq!(draw(0.0, index), ViewParameters::default());
        let all = draw(1.0, index);
        assert!(all.flip && all.jitter.is_some() && all.grey && all.blur.is_some() && all.solarize);
    }
}

#[test]
fn views_one_and_two_have_their_own_settings() {
    let black = RgbImage::new(8, 8);
    let never = Augmentation { flip: 0.0, jitter: 0.0, grey: 0.0, blur: 0.0, ..Augmentation::default() };
    let settings = AugmentSettings {
        mean: [0.0; 3],
        std: [1.0; 3],
        views: [
            ("view1".to_string(), never.clone()),
            ("view2".to_string(), Augmentation { solarize: 1.0, jitter: 1.0, brightness: 0.0, ..never }),
        ]
        .into(),
        ..AugmentSettings::default()
    };
    let white = RgbImage::from_pixel(8, 8, image::Rgb([255; 3]));
    for (image, which, expected) in [(&white, "view1", 1.0), (&white, "view2", 0.0), (&black, "view2", 0.0)] {
        let mut out = vec![f32::NAN; 192];
        let mut stream = stream(0, "kinds", &[]);
        let renderer = Renderer::new(&settings);
        let parameters = renderer.draw(which, &mut stream).unwrap();
        renderer.render(image, &whole(image), 8, &parameters, &mut out).unwrap();
        assert!(out.iter().all(|level| (level - expected).abs() < 1e-5), "{which:?}: {}", out[0]);
    }
}

#[test]
fn crops_have_torchvisions_distribution() {
    #[derive(serde::Deserialize)]
    struct Row {
        size: [u32; 2],
        mean: [f64; 4],
        std: [f64; 4],
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/augment/crops.json");
    let rows: Vec<Row> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    const DRAWS: u64 = 20_000;
    for row in rows {
        let size = Size { width: row.size[0], height: row.size[1] };
        let limits = univip_core::views::CropLimits::default();
        let drawn: Vec<[f64; 4]> = (0..DRAWS)
            .map(|index| {
                let crop = limits.sample(size, &mut stream(2, "crop", &[index]));
                assert!(BoundingBox::whole(size).contains(&crop) && crop.area() > 0, "{size:?}: {crop:?}");
                [crop.x, crop.y, crop.width, crop.height].map(f64::from)
            })
            .collect();
        for (part, name) in ["x", "y", "width", "height"].iter().enumerate() {
            let mean = drawn.iter().map(|crop| crop[part]).sum::<f64>() / DRAWS as f64;
            let squares: f64 = drawn.iter().map(|crop| (crop[part] - mean).powi(2)).sum();
            let std = (squares / DRAWS as f64).sqrt();
            // Both sides are estimates from as many crops.
            let tolerance = 5.0 * row.std[part] * (2.0 / DRAWS as f64).sqrt();
            assert!(
                (mean - row.mean[part]).abs() <= tolerance,
                "{size:?} {name}: mean {mean}, torchvision {}",
                row.mean[part]
            );
            assert!(
                (std - row.std[part]).abs() <= tolerance.max(0.05 * row.std[part]),
                "{size:?} {name}: deviation {std}, torchvision {}",
                row.std[part]
            );
        }
    }
}
