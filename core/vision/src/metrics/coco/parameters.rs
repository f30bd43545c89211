//! At which overlaps, recalls, sizes and numbers of detections is measured.

use super::super::IouType;
use anyhow::{Result, ensure};

/// The names of the size ranges.
pub const SIZES: [&str; 4] = ["all", "small", "medium", "large"];

/// The settings that COCO calls `Params`; the default is COCO's.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// The least intersection over union of a right detection; 0.5, 0.55, ... 0.95. At most 32.
    pub thresholds: Vec<f64>,
    /// The recalls whose precisions are averaged, ascending; 0, 0.01, ... 1.
    pub recalls: Vec<f64>,
    /// The areas of each of [`SIZES`] in pixels, both ends included: a bound at 32² and one at 96².
    pub areas: [[f64; 2]; 4],
    /// Detections per image and class that count, the surest ones, ascending; 1, 10 and 100.
    pub limits: [usize; 3],
    /// Takes a detection's size from its box or from its mask. The default, none, is the one that is compared.
    ///
    /// pycocotools takes the box of masks that come with boxes, and the mask of boxes that it made from masks.
    pub size_of: Option<IouType>,
}

impl Default for Parameters {
    fn default() -> Self {
        let (smallest, small, medium, largest) = (0.0, 32.0 * 32.0, 96.0 * 96.0, 1e10);
        Self {
            thresholds: linspace(0.5, 0.95, 10),
            recalls: linspace(0.0, 1.0, 101),
            areas: [[smallest, largest], [smallest, small], [small, medium], [medium, largest]],
            limits: [1, 10, 100],
            size_of: None,
        }
    }
}

impl Parameters {
    pub(super) fn check(&self) -> Result<()> {
        let count = self.thresholds.len();
        ensure!((1..=32).contains(&count), "{count} thresholds of IoU; expected 1 to 32");
        ensure!(!self.recalls.is_empty(), "no recall to measure the precision at");
        ensure!(
            self.recalls.is_sorted() && self.recalls.iter().all(|recall| (0.0..=1.0).contains(recall)),
            "recalls must ascend from 0 to 1"
        );
        ensure!(
            self.limits.is_sorted() && self.limits[0] > 0,
            "limits must ascend from 1: {:?}",
            self.limits
        );
        Ok(())
    }
}

/// The doubles of `numpy.linspace`: some tests are of equality.
fn linspace(start: f64, stop: f64, count: usize) -> Vec<f64> {
    let step = (stop - start) / (count - 1) as f64;
    let mut values: Vec<f64> = (0..count).map(|index| index as f64 * step + start).collect();
    values[count - 1] = stop;
    values
}
