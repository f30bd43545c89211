//! Matches detections to objects: the surest first, each takes the object that it overlaps most.

use super::super::rle::Measured;
use super::super::{Detection, GroundTruth, IouType, box_iou, surer};
use super::parameters::{Parameters, SIZES};
use rayon::prelude::*;

/// The detections of a class, the surest first, with what they found.
pub(super) struct Matched {
    pub found: Vec<Found>,
    /// The objects that are asked for, by size range.
    pub objects: [usize; SIZES.len()],
    /// The number of detections before any limit.
    pub detections: usize,
}

/// A detection and what it found.
pub(super) struct Found {
    score: f64,
    /// Its rank by score among the detections of its image.
    pub rank: usize,
    /// By size range.
    pub outcomes: [Outcome; SIZES.len()],
}

/// The match of a detection in a size range: a bit for each threshold of IoU.
#[derive(Clone, Copy, Default)]
pub(super) struct Outcome {
    /// It found an object.
    pub matched: u32,
    /// It does not count.
    pub ignored: u32,
}

/// Matches the detections of a class with its objects, image by image.
pub(super) fn matched(
    mut truth: Vec<&GroundTruth>,
    mut found: Vec<&Detection>,
    kind: IouType,
    parameters: &Parameters,
) -> Matched {
    let detections = found.len();
    // Stable sorts: of equal scores the first comes first, in an image as among images.
    truth.sort_by_key(|object| object.image);
    found.sort_by(|one, other| one.image.cmp(&other.image).then(surer(one.score, other.score)));
    let objects = parameters.areas.map(|range| truth.iter().filter(|one| !ignored(one, range)).count());
    let mut images = Vec::new();
    let mut rest = truth.as_slice();
    for found in found.chunk_by(|one, other| one.image == other.image) {
        let image = found[0].image;
        let (_, from) = rest.split_at(rest.partition_point(|object| object.image < image));
        let (objects, after) = from.split_at(from.partition_point(|object| object.image == image));
        images.push((objects, &found[..found.len().min(parameters.limits[2])]));
        rest = after;
    }
    let mut found: Vec<Found> = (images.par_iter().with_min_len(64))
        .flat_map_iter(|(truth, found)| in_image(truth, found, kind, parameters))
        .collect();
    found.sort_by(|one, other| surer(one.score, other.score));
    Matched { found, objects, detections }
}

/// True if an object is ignored in a size range.
fn ignored(object: &GroundTruth, range: [f64; 2]) -> bool {
    object.crowd || object.ignore || outside(object.area, range)
}

fn outside(area: f64, [least, most]: [f64; 2]) -> bool {
    area < least || area > most
}

/// The detections of an image, the surest first.
fn in_image(
    truth: &[&GroundTruth],
    found: &[&Detection],
    kind: IouType,
    parameters: &Parameters,
) -> Vec<Found> {
    let all = u32::MAX >> (32 - parameters.thresholds.len());
    let size_of = parameters.size_of.unwrap_or(kind);
    let mut result: Vec<Found> = found
        .iter()
        .enumerate()
        .map(|(rank, one)| Found { score: one.score, rank, outcomes: Default::default() })
        .collect();
    if !truth.is_empty() {
        let overlaps = Overlaps::new(truth, found, kind);
        for (size, &range) in parameters.areas.iter().enumerate() {
            let outcomes = result.iter_mut().map(|found| &mut found.outcomes[size]);
            assign(truth, &overlaps, range, &parameters.thresholds, outcomes);
        }
    }
    for (found, one) in result.iter_mut().zip(found) {
        let area = size(one, size_of);
        for (outcome, &range) in found.outcomes.iter_mut().zip(&parameters.areas) {
            if outside(area, range) {
                outcome.ignored |= all & !outcome.matched;
            }
        }
    }
    result
}

/// The area by which a detection is small or large.
fn size(found: &Detection, of: IouType) -> f64 {
    match (of, &found.mask) {
        (IouType::Segmentation, Some(mask)) => mask.area() as f64,
        _ => found.bounding_box[2] * found.bounding_box[3],
    }
}

/// Intersection over union of every detection of an image with every object.
struct Overlaps {
    values: Vec<f64>,
    objects: usize,
}

impl Overlaps {
    fn new(truth: &[&GroundTruth], found: &[&Detection], kind: IouType) -> Self {
        let mut values = Vec::with_capacity(truth.len() * found.len());
        match kind {
            IouType::BoundingBox => {
                for one in found {
                    let overlap =
                        |object: &&GroundTruth| box_iou(one.bounding_box, object.bounding_box, object.crowd);
                    values.extend(truth.iter().map(overlap));
                }
            }
            IouType::Segmentation => {
                // Whoever has no mask overlaps nothing; `evaluate` has refused them.
                let masks: Vec<_> = truth.iter().map(|one| one.mask.as_ref().map(Measured::new)).collect();
                for one in found {
                    let own = one.mask.as_ref().map(Measured::new);
                    values.extend(truth.iter().zip(&masks).map(|(object, mask)| {
                        own.as_ref().zip(mask.as_ref()).map_or(0.0, |(own, mask)| own.iou(mask, object.crowd))
                    }));
                }
            }
        }
        Self { values, objects: truth.len() }
    }

    fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.objects)
    }
}

/// Gives each detection, the surest first, the object that it overlaps most of those that nobody has; at each
/// threshold by itself. One that is asked for goes before one that is ignored, whatever the overlaps, and a crowd is
/// never taken.
fn assign<'a>(
    truth: &[&GroundTruth],
    overlaps: &Overlaps,
    range: [f64; 2],
    thresholds: &[f64],
    outcomes: impl Iterator<Item = &'a mut Outcome>,
) {
    let (ignorable, asked): (Vec<usize>, Vec<usize>) =
        (0..truth.len()).partition(|&place| ignored(truth[place], range));
    let least = thresholds.iter().copied().fold(f64::INFINITY, f64::min).min(WHOLE);
    // A bit for each threshold.
    let mut taken = vec![0_u32; truth.len()];
    for (overlaps, outcome) in overlaps.rows().zip(outcomes) {
        if overlaps.iter().all(|&overlap| overlap < least) {
            continue;
        }
        for (number, &threshold) in thresholds.iter().enumerate() {
            let bit = 1 << number;
            let best = |places: &[usize], taken: &[u32]| {
                let (mut best, mut chosen) = (threshold.min(WHOLE), None);
                for &place in places {
                    let free = taken[place] & bit == 0 || truth[place].crowd;
                    // Of equal overlaps the last.
                    if free && overlaps[place] >= best {
                        (best, chosen) = (overlaps[place], Some(place));
                    }
                }
                chosen
            };
            let chosen = best(&asked, &taken).or_else(|| {
                let ignored = best(&ignorable, &taken);
                outcome.ignored |= if ignored.is_some() { bit } else { 0 };
                ignored
            });
            if let Some(place) = chosen {
                taken[place] |= bit;
                outcome.matched |= bit;
            }
        }
    }
}

/// An overlap that is as good as whole, whatever the threshold: quotients are rounded.
const WHOLE: f64 = 1.0 - 1e-10;
