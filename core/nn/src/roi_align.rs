//! RoIAlign (He et al. 2017, Section 3): a region of a map as a small square of features.
//!
//! As torchvision's `roi_align`. Each cell of the square is the mean of a few points, each point a bilinear mean of four
//! positions: a cell is a weighted sum of *taps*.

use crate::ops::{values, with_values};
use anyhow::{Result, ensure};
use candle_core::{CpuStorage, CustomOp1, Device, Layout, Shape, Tensor};
use rayon::prelude::*;
use std::sync::Arc;
use univip_stdx::vectorised::vectorised;
use univip_vision::corners::Corners;

/// A box in an image of the batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Region {
    /// The image's place in the batch.
    pub image: usize,
    /// The box, in pixels of the input.
    pub corners: Corners,
}

/// The settings of RoIAlign.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Square {
    /// Cells along a side.
    pub side: usize,
    /// Positions of the map a pixel of the input.
    pub scale: f32,
    /// The sampling points of a cell.
    pub sampling: Sampling,
}

/// The sampling points of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// Points a cell along each axis; 0 is about one for each position that the cell covers.
    pub points: usize,
    /// Pixel centres lie half a position beyond their corners (`aligned`). Without it, a region has at
    /// least the size of a position.
    pub aligned: bool,
}

/// The features of `regions`: from a map `[B, H, W, C]` to `[R, side, side, C]`. Its gradient reaches the map.
///
/// # Errors
/// When there is no region, or one is of an image that the batch has not.
pub fn roi_align(map: &Tensor, regions: &[Region], square: Square) -> Result<Tensor> {
    let batch = map.dims4()?.0;
    ensure!(!regions.is_empty(), "RoIAlign needs a region");
    for region in regions {
        ensure!(region.image < batch, "{region:?} is outside of a batch of {batch} images");
    }
    if !map.device().is_cpu() {
        return composed(map, regions, square);
    }
    Ok(map.contiguous()?.apply_op1(RoiAlign { regions: regions.into(), square })?)
}

/// [`roi_align`] of candle's own operations, for devices without a kernel here.
pub fn composed(map: &Tensor, regions: &[Region], square: Square) -> Result<Tensor> {
    let (_, height, width, channels) = map.dims4()?;
    let all: Vec<Taps> = regions.iter().map(|region| Taps::new(region, square, [height, width])).collect();
    let most = all.iter().map(Taps::per_cell).max().unwrap_or(0).max(1);
    let (mut places, mut weights) = (Vec::new(), Vec::new());
    for (taps, region) in all.iter().zip(regions) {
        let image = (region.image * height * width) as u32;
        for cell in 0..square.side.pow(2) {
            let end = places.len() + most;
            taps.each(cell, |place, weight| {
                places.push(image + place as u32);
                weights.push(weight);
            });
            places.resize(end, image);
            weights.resize(end, 0.0);
        }
    }
    let device = map.device();
    let rows = map.reshape(((), channels))?.index_select(&Tensor::new(places, device)?, 0)?;
    let weighted = rows.broadcast_mul(&Tensor::new(weights, device)?.unsqueeze(1)?)?;
    let cells = weighted.reshape(((), most, channels))?.sum(1)?;
    Ok(cells.reshape((regions.len(), square.side, square.side, channels))?)
}

/// The share of pixels that are set in each cell of a box: [`roi_align`] of one map of zeros and ones, `size` rows and
/// columns, without a gradient. `side * side` values.
pub fn sample(pixels: &[bool], size: [usize; 2], corners: Corners, square: Square) -> Vec<f32> {
    let taps = Taps::new(&Region { image: 0, corners }, square, size);
    let cell = |cell: usize| {
        let mut sum = 0.0;
        taps.each(cell, |place, weight| {
            if pixels[place] {
                sum += weight;
            }
        });
        sum
    };
    (0..square.side.pow(2)).map(cell).collect()
}

/// The positions and weights that the cells of a region's square are sums of.
struct Taps {
    side: usize,
    rows: Points,
    columns: Points,
    /// Columns of the map.
    width: usize,
}

impl Taps {
    fn new(region: &Region, square: Square, [height, width]: [usize; 2]) -> Self {
        let corners = region.corners.scaled(square.scale, square.scale);
        Self {
            side: square.side,
            rows: Points::new(corners.top, corners.height(), square, height),
            columns: Points::new(corners.left, corners.width(), square, width),
            width,
        }
    }

    /// Taps of a cell at most.
    fn per_cell(&self) -> usize {
        4 * self.rows.per_cell * self.columns.per_cell
    }

    /// Calls `body` with each position of the map that is in a cell, and its weight.
    #[inline(always)]
    fn each(&self, cell: usize, mut body: impl FnMut(usize, f32)) {
        let share = 1.0 / (self.rows.per_cell * self.columns.per_cell) as f32;
        for y in self.rows.of_cell(cell / self.side) {
            for x in self.columns.of_cell(cell % self.side) {
                for (line, of_line) in y {
                    for (place, of_place) in x {
                        let weight = of_line * of_place * share;
                        if weight != 0.0 {
                            body(line * self.width + place, weight);
                        }
                    }
                }
            }
        }
    }
}

/// The points of all cells along one axis, each between two positions of the map.
struct Points {
    per_cell: usize,
    all: Vec<[(usize, f32); 2]>,
}

impl Points {
    fn new(start: f32, extent: f32, square: Square, size: usize) -> Self {
        let Sampling { points, aligned } = square.sampling;
        let (start, extent) = if aligned { (start - 0.5, extent) } else { (start, extent.max(1.0)) };
        let cell = extent / square.side as f32;
        // None in a region without an extent, whose features are 0.
        let per_cell = if points > 0 { points } else { cell.ceil() as usize };
        let point = |cell_index: usize, index: usize| {
            let place = start + cell_index as f32 * cell + (index as f32 + 0.5) * cell / per_cell as f32;
            between(place, size)
        };
        let all = (0..square.side).flat_map(|cell| (0..per_cell).map(move |index| point(cell, index)));
        Self { per_cell, all: all.collect() }
    }

    /// Those of one cell.
    #[inline(always)]
    fn of_cell(&self, cell: usize) -> &[[(usize, f32); 2]] {
        &self.all[cell * self.per_cell..][..self.per_cell]
    }
}

/// The two positions around a place, and the weight of each; nothing beyond one position outside of the map.
fn between(place: f32, size: usize) -> [(usize, f32); 2] {
    if !(place >= -1.0 && place <= size as f32) {
        return [(0, 0.0); 2];
    }
    let place = place.max(0.0);
    let low = place as usize;
    if low + 1 >= size {
        return [(size - 1, 1.0), (size - 1, 0.0)];
    }
    let rest = place - low as f32;
    [(low, 1.0 - rest), (low + 1, rest)]
}

struct RoiAlign {
    regions: Arc<[Region]>,
    square: Square,
}

impl RoiAlign {
    /// Adds to each cell of a region's square the positions that it is made of.
    fn gather(&self, region: &Region, [height, width, channels]: [usize; 3], map: &[f32], cells: &mut [f32]) {
        let taps = Taps::new(region, self.square, [height, width]);
        vectorised(
            #[inline(always)]
            || {
                for (index, cell) in cells.chunks_exact_mut(channels).enumerate() {
                    taps.each(
                        index,
                        #[inline(always)]
                        |place, weight| add(cell, &map[place * channels..][..channels], weight),
                    );
                }
            },
        );
    }

    /// Adds the gradient of each cell of a region's square to the positions that it is made of.
    fn scatter(
        &self,
        region: &Region,
        [height, width, channels]: [usize; 3],
        cells: &[f32],
        map: &mut [f32],
    ) {
        let taps = Taps::new(region, self.square, [height, width]);
        vectorised(
            #[inline(always)]
            || {
                for (index, cell) in cells.chunks_exact(channels).enumerate() {
                    taps.each(
                        index,
                        #[inline(always)]
                        |place, weight| add(&mut map[place * channels..][..channels], cell, weight),
                    );
                }
            },
        );
    }
}

impl CustomOp1 for RoiAlign {
    fn name(&self) -> &'static str {
        "roi_align"
    }

    fn cpu_fwd(&self, map: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (_, height, width, channels) = layout.shape().dims4()?;
        let map = values(map, layout)?;
        let (sizes, side) = ([height, width, channels], self.square.side);
        let mut cells = vec![0f32; self.regions.len() * side * side * channels];
        cells.par_chunks_mut(side * side * channels).zip(self.regions.par_iter()).for_each(
            |(cells, region)| {
                self.gather(region, sizes, &map[region.image * height * width * channels..], cells);
            },
        );
        Ok((CpuStorage::F32(cells), Shape::from((self.regions.len(), side, side, channels))))
    }

    fn bwd(&self, map: &Tensor, _: &Tensor, gradient: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let (_, height, width, channels) = map.dims4()?;
        let (sizes, square) = ([height, width, channels], self.square.side.pow(2) * channels);
        let mut result = vec![0f32; map.elem_count()];
        with_values(gradient, |gradient| {
            // Each task owns an image, and takes its regions in order: no race, and always the same sum.
            result.par_chunks_mut(height * width * channels).enumerate().for_each(|(index, image)| {
                for (region, cells) in self.regions.iter().zip(gradient.chunks(square)) {
                    if region.image == index {
                        self.scatter(region, sizes, cells, image);
                    }
                }
            });
            Ok(())
        })?;
        Ok(Some(Tensor::from_vec(result, map.shape(), &Device::Cpu)?))
    }
}

/// `sum += weight * values`.
#[inline(always)]
fn add(sum: &mut [f32], values: &[f32], weight: f32) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += weight * value;
    }
}
