//! Polygons as pixels: pycocotools' scan conversion (`rleFrPoly` of `maskApi.c`), bit for bit.
//!
//! The outline lies on a grid five times as fine as the pixels. Wherever it passes the middle of a column, the mask
//! changes at the height where it passes. Only the columns of the image are looked at, whatever the outline reaches to.

use crate::geometry::Size;
use anyhow::{Result, ensure};

/// Steps of the fine grid to a pixel.
const SCALE: i64 = 5;

/// Coordinates beyond this are no pixels of any image.
pub(super) const FARTHEST: f64 = 1e6;

/// The most changes of one polygon, of 4 bytes each: an outline that somebody drew has thousands.
const MOST: usize = 1 << 22;

/// The places, in the order of a mask's runs, at which the mask of a polygon `[x, y, x, y, ...]` changes: each once, sorted.
///
/// # Errors
/// When the polygon has fewer than three points, half a point, a coordinate that is no number of pixels, or passes the
/// columns of its image millions of times.
pub(super) fn crossings(polygon: &[f64], size: Size) -> Result<Vec<u32>> {
    ensure!(polygon.len().is_multiple_of(2), "a polygon has {} numbers; expected two a point", polygon.len());
    ensure!(polygon.len() >= 6, "a polygon has {} points; expected at least three", polygon.len() / 2);
    let unusable = polygon.iter().find(|coordinate| !(-FARTHEST..=FARTHEST).contains(*coordinate));
    ensure!(unusable.is_none(), "a polygon has the coordinate {unusable:?}; expected pixels");
    // Rounded towards zero, as the cast of the original does.
    let fine = |coordinate: f64| (SCALE as f64 * coordinate + 0.5) as i64;
    let points: Vec<[i64; 2]> =
        polygon.chunks_exact(2).map(|point| [fine(point[0]), fine(point[1])]).collect();
    let mut changes = Changes::new(size);
    for (index, &start) in points.iter().enumerate() {
        let line = Line::new(start, points[(index + 1) % points.len()]);
        for column in line.columns(size.width) {
            // Rounded up.
            let row = -(2 - line.height(SCALE * column + 2)).div_euclid(SCALE);
            let row = row.clamp(0, i64::from(size.height));
            changes.add((column * i64::from(size.height) + row) as u32)?;
        }
    }
    changes.finish()
}

/// The places of changes, of which two at one place are none. A list while there are few; a bit for each pixel, which takes no
/// more memory, when there are many.
struct Changes {
    pixels: usize,
    places: Vec<u32>,
    /// The length of the list at which entries that cancel each other are looked for.
    room: usize,
    /// Empty while the list is in use.
    bits: Vec<u32>,
}

impl Changes {
    fn new(size: Size) -> Self {
        let pixels = size.width as usize * size.height as usize;
        Self { pixels, places: Vec::new(), room: 4096, bits: Vec::new() }
    }

    fn add(&mut self, place: u32) -> Result<()> {
        if !self.bits.is_empty() {
            self.toggle(place);
            return Ok(());
        }
        if self.places.len() == self.room {
            self.cancel();
            check(self.places.len())?;
            self.room = self.room.max(2 * self.places.len());
            if self.room > self.pixels / 32 {
                // The last place is behind the last pixel.
                self.bits = vec![0; self.pixels / 32 + 1];
                std::mem::take(&mut self.places).into_iter().for_each(|place| self.toggle(place));
                self.toggle(place);
                return Ok(());
            }
        }
        self.places.push(place);
        Ok(())
    }

    fn toggle(&mut self, place: u32) {
        self.bits[place as usize / 32] ^= 1 << (place % 32);
    }

    /// Leaves each place once in the list, sorted.
    fn cancel(&mut self) {
        self.places.sort_unstable();
        let mut kept = 0;
        for at in 0..self.places.len() {
            let place = self.places[at];
            if kept > 0 && self.places[kept - 1] == place {
                kept -= 1;
            } else {
                self.places[kept] = place;
                kept += 1;
            }
        }
        self.places.truncate(kept);
    }

    fn finish(mut self) -> Result<Vec<u32>> {
        if self.bits.is_empty() {
            self.cancel();
            return Ok(self.places);
        }
        check(self.bits.iter().map(|bits| bits.count_ones() as usize).sum())?;
        let of_word = |(word, &bits): (usize, &u32)| {
            (0..32).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| 32 * word as u32 + bit)
        };
        Ok(self.bits.iter().enumerate().filter(|(_, bits)| **bits != 0).flat_map(of_word).collect())
    }
}

fn check(changes: usize) -> Result<()> {
    ensure!(changes <= MOST, "a polygon's outline passes more than {MOST} pixels; expected a simpler one");
    Ok(())
}

/// A side of the outline on the fine grid: a point for each step along its longer axis.
struct Line {
    /// The axis of the steps: 0 is x.
    along: usize,
    /// The end that is lower along this axis, so that a line and its reverse have the same points.
    from: [i64; 2],
    steps: i64,
    /// Along the other axis, a step.
    slope: f64,
}

impl Line {
    fn new(start: [i64; 2], end: [i64; 2]) -> Self {
        let reach = [(end[0] - start[0]).abs(), (end[1] - start[1]).abs()];
        let along = usize::from(reach[0] < reach[1]);
        let (from, to) = if start[along] > end[along] { (end, start) } else { (start, end) };
        let steps = reach[along];
        let slope = if steps == 0 { 0.0 } else { (to[1 - along] - from[1 - along]) as f64 / steps as f64 };
        Self { along, from, steps, slope }
    }

    /// The place across the longer axis after a number of steps.
    fn across(&self, step: i64) -> i64 {
        (self.from[1 - self.along] as f64 + self.slope * step as f64 + 0.5) as i64
    }

    /// The columns of the image whose middle, two fine steps from their left edge, lies between two points of the line.
    fn columns(&self, width: u32) -> std::ops::Range<i64> {
        let (left, right) = match self.along {
            0 => (self.from[0], self.from[0] + self.steps),
            _ => {
                let (one, other) = (self.across(0), self.across(self.steps));
                (one.min(other), one.max(other))
            }
        };
        let first = -(2 - left).div_euclid(SCALE);
        let end = (right - 3).div_euclid(SCALE) + 1;
        first.max(0)..end.min(i64::from(width))
    }

    /// The height of the line, the lower of the two, where it goes from `x` to `x + 1` or back.
    fn height(&self, x: i64) -> i64 {
        if self.along == 0 {
            let step = x - self.from[0];
            return self.across(step).min(self.across(step + 1));
        }
        let passed =
            |step: i64| if self.slope > 0.0 { self.across(step) > x } else { self.across(step) <= x };
        // The first step past it: a guess, and what rounding has made of it.
        let middle = x as f64 + 0.5 - self.from[0] as f64;
        let mut step = ((middle / self.slope) as i64).clamp(1, self.steps);
        while step > 1 && passed(step - 1) {
            step -= 1;
        }
        while step < self.steps && !passed(step) {
            step += 1;
        }
        self.from[1] + step - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However often an outline passes the same pixels.
    #[test]
    fn changes_take_no_more_memory_than_a_short_list_or_a_bit_for_each_pixel() -> Result<()> {
        for (pixels, most) in [(1000, 4096), (1_000_000, 31_251)] {
            let mut changes = Changes::new(Size { width: pixels, height: 1 });
            for place in (0..pixels).cycle().take(3_000_000) {
                changes.add(place)?;
                assert!(changes.places.len() <= most && changes.bits.len() <= most, "{pixels} pixels");
            }
        }
        Ok(())
    }
}
