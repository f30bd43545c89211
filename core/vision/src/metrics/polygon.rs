//! Polygons as pixels: pycocotools' scan conversion (`rleFrPoly` of `maskApi.c`), bit for bit.
//!
//! The outline is walked on a grid five times as fine as the pixels. Wherever it passes the middle of a column, the
//! mask changes at the height where it passes.

use crate::geometry::Size;
use anyhow::{Result, ensure};

/// Steps of the fine grid to a pixel.
const SCALE: i64 = 5;

/// Coordinates beyond this are no pixels of any image, and would be walked all the same.
const FARTHEST: f64 = 1e6;

/// Where, in the order of a mask's runs, the mask of a polygon `[x, y, x, y, ...]` changes; sorted, at most the
/// number of pixels.
///
/// # Errors
/// When the polygon has fewer than three points, half a point, or a coordinate that is no number of pixels.
pub(super) fn crossings(polygon: &[f64], size: Size) -> Result<Vec<u32>> {
    ensure!(polygon.len().is_multiple_of(2), "a polygon has {} numbers; expected two a point", polygon.len());
    ensure!(polygon.len() >= 6, "a polygon has {} points; expected at least three", polygon.len() / 2);
    let unusable = polygon.iter().find(|coordinate| !(-FARTHEST..=FARTHEST).contains(*coordinate));
    ensure!(unusable.is_none(), "a polygon has the coordinate {unusable:?}; expected pixels");
    // Rounded towards zero, as the cast of the original does.
    let fine = |coordinate: f64| (SCALE as f64 * coordinate + 0.5) as i64;
    let points: Vec<[i64; 2]> =
        polygon.chunks_exact(2).map(|point| [fine(point[0]), fine(point[1])]).collect();
    let (width, height) = (i64::from(size.width), i64::from(size.height));
    let mut changes = Vec::new();
    let mut last: Option<[i64; 2]> = None;
    for (index, &start) in points.iter().enumerate() {
        let end = points[(index + 1) % points.len()];
        walk(start, end, |[u, v]| {
            if let Some([last_u, last_v]) = last.replace([u, v])
                && u != last_u
            {
                // The middle of a column is two fine steps from its left edge.
                let across = if u < last_u { u } else { u - 1 } - 2;
                let column = across.div_euclid(SCALE);
                if across.rem_euclid(SCALE) == 0 && (0..width).contains(&column) {
                    // Rounded up.
                    let row = -(2 - v.min(last_v)).div_euclid(SCALE);
                    changes.push((column * height + row.clamp(0, height)) as u32);
                }
            }
        });
    }
    changes.sort_unstable();
    Ok(changes)
}

/// The points of the fine grid on a line, both ends included: one a step along its longer axis.
fn walk(start: [i64; 2], end: [i64; 2], mut visit: impl FnMut([i64; 2])) {
    let reach = [(end[0] - start[0]).abs(), (end[1] - start[1]).abs()];
    let along = usize::from(reach[0] < reach[1]);
    let (across, steps) = (1 - along, reach[along]);
    // Always computed from the lower end, so that a line and its reverse have the same points.
    let backwards = start[along] > end[along];
    let (from, to) = if backwards { (end, start) } else { (start, end) };
    let slope = if steps == 0 { 0.0 } else { (to[across] - from[across]) as f64 / steps as f64 };
    for step in 0..=steps {
        let step = if backwards { steps - step } else { step };
        let mut point = [0; 2];
        point[along] = from[along] + step;
        point[across] = (from[across] as f64 + slope * step as f64 + 0.5) as i64;
        visit(point);
    }
}
