//! The pyramid level of a region (Lin et al. 2017, Eq. 1), and its features.

use crate::boxes::Corners;
use crate::roi_align::{Region, Sampling, Square, roi_align};
use anyhow::Result;
use candle_core::Tensor;

/// A region of this side belongs to the map of stride 16, in pixels of the input: that of ImageNet's images.
const CANONICAL_SIDE: f32 = 224.0;

/// The features of regions, each from the map that suits its size: `[R, side, side, C]`. The maps are at the
/// strides 4, 8, 16 and 32.
///
/// # Errors
/// When there is no region.
pub fn pool(maps: &[Tensor], regions: &[Region], side: usize, sampling: Sampling) -> Result<Tensor> {
    let levels: Vec<usize> = regions.iter().map(|region| level(region.corners, maps.len())).collect();
    let (mut parts, mut places) = (Vec::new(), Vec::new());
    for (index, map) in maps.iter().enumerate() {
        let here: Vec<usize> = (0..regions.len()).filter(|region| levels[*region] == index).collect();
        if !here.is_empty() {
            let of_map: Vec<Region> = here.iter().map(|region| regions[*region]).collect();
            let scale = 1.0 / (4 << index) as f32;
            parts.push(roi_align(map, &of_map, Square { side, scale, sampling })?);
            places.extend(here);
        }
    }
    if let [only] = parts.as_slice() {
        return Ok(only.clone());
    }
    // Back to the order of the regions.
    let mut order = vec![0u32; regions.len()];
    places.iter().enumerate().for_each(|(at, region)| order[*region] = at as u32);
    let all = Tensor::cat(&parts, 0)?;
    Ok(all.index_select(&Tensor::new(order, all.device())?, 0)?)
}

/// The place of a region's map among `maps`.
pub fn level(corners: Corners, maps: usize) -> usize {
    let above = (corners.area().sqrt() / CANONICAL_SIDE).log2() + 1e-6;
    // Two below the canonical map is the first; an empty region's logarithm is infinite.
    (above.floor() + 2.0).clamp(0.0, maps as f32 - 1.0) as usize
}
