//! Nothing but its objects marks a scene: two crops of background tell nothing about whether they are
//! of the same scene. Otherwise a network that compares crops would learn the background.

use image::{GrayImage, RgbImage};
use univip_core::dataset::{Dataset, Split};
use univip_core::registry::DatasetPlugin;
use univip_fashion_scenes::{FashionScenes, ScenesConfig};

const CROP: u32 = 16;
const STATISTICS: usize = 5;

/// Mean, deviation, and mean squared difference of pixels 1, 2 and 4 apart (bands of the spectrum).
fn statistics(image: &RgbImage, (left, top): (u32, u32), gain: f64) -> [f64; STATISTICS] {
    let at = |x: u32, y: u32| gain * f64::from(image.get_pixel(left + x, top + y).0[0]);
    let inner = || (0..CROP - 4).flat_map(|y| (0..CROP - 4).map(move |x| (x, y)));
    let count = inner().count() as f64;
    let mean = inner().map(|(x, y)| at(x, y)).sum::<f64>() / count;
    let deviation = (inner().map(|(x, y)| (at(x, y) - mean).powi(2)).sum::<f64>() / count).sqrt();
    let band = |step: u32| {
        let squares =
            |(x, y): (u32, u32)| (at(x, y) - at(x + step, y)).powi(2) + (at(x, y) - at(x, y + step)).powi(2);
        (inner().map(squares).sum::<f64>() / count).sqrt()
    };
    [mean, deviation, band(1), band(2), band(4)]
}

/// Two squares without a pixel of an item in or beside them, too far apart for the noise to reach.
fn two_crops(masks: &GrayImage) -> Option<[(u32, u32); 2]> {
    const APART: u32 = CROP + 17;
    let side = masks.width();
    let free = |x: u32, y: u32| {
        (y - 2..y + CROP + 2).all(|v| (x - 2..x + CROP + 2).all(|u| masks.get_pixel(u, v).0[0] == 0))
    };
    let places = (2..side - CROP - 2).step_by(2);
    let all: Vec<_> = places
        .clone()
        .flat_map(|y| places.clone().map(move |x| (x, y)))
        .filter(|&(x, y)| free(x, y))
        .collect();
    let first = *all.first()?;
    let far = |other: &(u32, u32)| first.0.abs_diff(other.0) >= APART || first.1.abs_diff(other.1) >= APART;
    Some([first, *all.iter().rev().find(|other| far(other))?])
}

/// Among the second crops of all scenes, how many nearer ones there are than the one of the same scene,
/// as a share: 0.5 by chance, towards 0 if crops reveal their scene.
fn mean_rank(gain: impl Fn(usize) -> f64) -> f64 {
    let scenes = FashionScenes::build(ScenesConfig::default(), Split::Train).unwrap();
    let mut pairs: Vec<[[f64; STATISTICS]; 2]> = (0..)
        .filter_map(|index| {
            let places = two_crops(&scenes.owners(index).unwrap())?;
            let image = scenes.image(index).unwrap();
            Some(places.map(|place| statistics(&image, place, gain(index))))
        })
        .take(400)
        .collect();
    for statistic in 0..STATISTICS {
        let values = || pairs.iter().flatten().map(|crop| crop[statistic]);
        let count = values().count() as f64;
        let mean = values().sum::<f64>() / count;
        let deviation = (values().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
        pairs.iter_mut().flatten().for_each(|crop| crop[statistic] = (crop[statistic] - mean) / deviation);
    }
    let distance = |one: &[f64; STATISTICS], other: &[f64; STATISTICS]| {
        one.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum::<f64>()
    };
    let ranks = pairs.iter().map(|[first, own]| {
        let own = distance(first, own);
        pairs.iter().filter(|[_, other]| distance(first, other) < own).count() as f64
    });
    ranks.sum::<f64>() / (pairs.len() as f64 - 1.0) / pairs.len() as f64
}

#[test]
fn crops_of_background_do_not_reveal_their_scene() {
    // A uniform rank deviates by 0.29, the mean of 400 by 0.0144: four of these.
    let rank = mean_rank(|_| 1.0);
    assert!((rank - 0.5).abs() < 0.058, "{rank}");
}

#[test]
fn the_same_measure_finds_a_gain_of_each_scene() {
    let rank = mean_rank(|scene| 0.6 + 0.8 * (scene as f64 * 0.618_034).fract());
    assert!(rank < 0.3, "{rank}");
}
