//! Precision over recall.

use super::matching::Matched;
use super::parameters::{Parameters, SIZES};

/// The precisions and recalls of a class, for each size range, limit and threshold.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curves {
    thresholds: usize,
    recalls: usize,
    /// Size, limit, threshold, recall; nothing for a size without an object.
    precision: [Vec<f64>; SIZES.len()],
    /// Size; limit, threshold.
    recall: [Vec<f64>; SIZES.len()],
}

impl Curves {
    pub(super) fn new(matched: &Matched, parameters: &Parameters) -> Self {
        let (thresholds, recalls) = (parameters.thresholds.len(), parameters.recalls.len());
        let mut curves =
            Self { thresholds, recalls, precision: Default::default(), recall: Default::default() };
        for (size, &objects) in matched.objects.iter().enumerate() {
            if objects == 0 {
                continue;
            }
            for limit in parameters.limits {
                for right in precisions_when_right(matched, size, limit, thresholds) {
                    curves.recall[size].push(right.len() as f64 / objects as f64);
                    curves.precision[size].extend(at_recalls(right, objects, &parameters.recalls));
                }
            }
        }
        curves
    }

    pub(super) fn precision(&self, threshold: usize, size: usize, limit: usize) -> &[f64] {
        let start = (limit * self.thresholds + threshold) * self.recalls;
        self.precision[size].get(start..start + self.recalls).unwrap_or(&[])
    }

    pub(super) fn recall(&self, threshold: usize, size: usize, limit: usize) -> f64 {
        self.recall[size].get(limit * self.thresholds + threshold).copied().unwrap_or(-1.0)
    }
}

/// For each threshold the precision down to each right detection.
fn precisions_when_right(matched: &Matched, size: usize, limit: usize, thresholds: usize) -> Vec<Vec<f64>> {
    let mut right = vec![Vec::new(); thresholds];
    // Detections that are wrong at every threshold, as most are; and per threshold those that are wrong there.
    let (mut all_wrong, mut wrong) = (0_u32, vec![0_u32; thresholds]);
    for found in matched.found.iter().filter(|found| found.rank < limit) {
        let outcome = found.outcomes[size];
        if outcome.matched == 0 {
            // A detection without any match is ignored at every threshold or at none.
            all_wrong += u32::from(outcome.ignored == 0);
            continue;
        }
        for (threshold, (right, wrong)) in right.iter_mut().zip(&mut wrong).enumerate() {
            let is = |bits: u32| bits >> threshold & 1 == 1;
            if is(outcome.ignored) {
                continue;
            }
            if is(outcome.matched) {
                let (hits, misses) = ((right.len() + 1) as f64, f64::from(all_wrong + *wrong));
                right.push(hits / (misses + hits + f64::EPSILON));
            } else {
                *wrong += 1;
            }
        }
    }
    right
}

/// The highest precision at each recall or beyond it; 0 where the recall is not reached.
fn at_recalls(mut precisions: Vec<f64>, objects: usize, recalls: &[f64]) -> impl Iterator<Item = f64> {
    for place in (1..precisions.len()).rev() {
        precisions[place - 1] = precisions[place - 1].max(precisions[place]);
    }
    let mut hits = 1;
    recalls.iter().map(move |&recall| {
        // Quotients are compared, as NumPy does: 0.29 * 100 is not 29.
        while hits <= precisions.len() && (hits as f64 / objects as f64) < recall {
            hits += 1;
        }
        precisions.get(hits - 1).copied().unwrap_or(0.0)
    })
}
