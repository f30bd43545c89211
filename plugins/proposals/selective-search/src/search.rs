//! The search: every colour space, scale and strategy, then one list of boxes.

use crate::colour::{ColourSpace, Planes};
use crate::features::Histograms;
use crate::grouping::{Grouped, group};
use crate::parameters::Parameters;
use crate::regions::Regions;
use crate::rotate::Rotation;
use crate::segmentation::PixelGraph;
use crate::similarity::Slots;
use crate::texture::Texture;
use image::RgbImage;
use rand::Rng;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::HashSet;
use univip_core::geometry::BoundingBox;
use univip_core::seed::stream;

/// The boxes of an image, best first, without duplicates, each inside the image.
///
/// Regions of the highest level of a hierarchy come first; within a level they are sorted by their corners, which
/// the algorithm leaves open and which lets a list take less room on disk. The boxes are the same for any number of
/// threads.
pub fn selective_search(image: &RgbImage, parameters: &Parameters) -> Vec<BoundingBox> {
    if image.width() == 0 || image.height() == 0 {
        return Vec::new();
    }
    let rotation = Rotation::new(image.width() as usize, image.height() as usize);
    let search = |&space: &ColourSpace| search_space(image, space, &rotation, parameters);
    let found: Vec<Vec<Grouped>> = parameters.spaces.par_iter().map(search).collect();
    let mut regions: Vec<Grouped> = found.into_iter().flatten().collect();
    match parameters.seed {
        None => regions.sort_by_key(|region| (Reverse(region.level), corners(&region.bounding_box))),
        Some(seed) => {
            let mut random = stream(seed, "selective-search", &[]);
            regions.sort_by_cached_key(|region| {
                // Not negative: the bits sort as the number does.
                (random.random::<f64>() * f64::from(region.level)).to_bits()
            });
        }
    }
    let mut seen = HashSet::new();
    regions
        .iter()
        .map(|region| region.bounding_box)
        .filter(|bounding_box| seen.insert(*bounding_box))
        .collect()
}

/// Left, top, right, bottom.
fn corners(bounding_box: &BoundingBox) -> [u32; 4] {
    [bounding_box.x, bounding_box.y, bounding_box.right(), bounding_box.bottom()]
}

fn search_space(
    image: &RgbImage,
    space: ColourSpace,
    rotation: &Rotation,
    parameters: &Parameters,
) -> Vec<Grouped> {
    let planes = Planes::of(image, space);
    let scales = parameters.scales.iter().copied();
    let range = scales.clone().fold(f32::INFINITY, f32::min)..=scales.fold(0.0, f32::max);
    let graph = PixelGraph::new(&planes, parameters.sigma, range);
    let texture = Texture::of(&planes, rotation);
    let hierarchies: Vec<Vec<Grouped>> = parameters
        .scales
        .par_iter()
        .map(|&k| {
            let segmentation = graph.segment(k, parameters.min_size);
            let regions = Regions::of(&segmentation, planes.width);
            let [colour, texture] = Histograms::of(&planes, &texture, &segmentation, &regions.sizes);
            let slots = Slots {
                colour,
                texture,
                sizes: regions.sizes,
                boxes: regions.boxes,
                pixels: segmentation.labels.len() as u64,
            };
            let grouped = |measures: &Vec<_>| group(slots.clone(), &regions.neighbours, measures);
            parameters.strategies.iter().flat_map(grouped).collect()
        })
        .collect();
    hierarchies.concat()
}
