//! The regions that the heads are trained on: proposals and the objects themselves, matched and sampled.

use crate::boxes::Corners;
use crate::matching::{Match, Matcher};
use crate::objects::Object;
use crate::roi_align::Region;
use crate::sampling::{Draws, Sampler};

/// A proposal of at least half an overlap with an object stands for it, any other for nothing.
const MATCHER: Matcher = Matcher { object_from: 0.5, background_below: 0.5, keep_best: false };

/// Regions of a batch, and what each of them is.
#[derive(Debug, Clone, Default)]
pub struct TrainingRegions {
    /// The boxes of the regions.
    pub regions: Vec<Region>,
    /// The object that each stands for, by its place in its image.
    pub objects: Vec<Option<usize>>,
}

/// The boxes of each image as regions of the batch.
pub fn of_images(boxes: &[Vec<Corners>]) -> Vec<Region> {
    let images = boxes.iter().enumerate();
    images
        .flat_map(|(image, all)| all.iter().map(move |corners| Region { image, corners: *corners }))
        .collect()
}

impl TrainingRegions {
    /// Draws from the proposals of each image. Its objects are among them, so that there is always one that fits.
    pub fn draw(
        proposals: Vec<Vec<Corners>>,
        objects: &[Vec<Object>],
        sampler: Sampler,
        draws: &Draws,
    ) -> Self {
        let mut drawn = Self::default();
        for (image, (mut candidates, objects)) in proposals.into_iter().zip(objects).enumerate() {
            let corners: Vec<Corners> = objects.iter().map(|object| object.corners).collect();
            candidates.extend(&corners);
            let matches = MATCHER.matches(&corners, &candidates);
            let sampled = sampler.sample(&matches, &mut draws.stream("regions", image));
            for index in sampled.objects.into_iter().chain(sampled.background) {
                drawn.regions.push(Region { image, corners: candidates[index] });
                drawn.objects.push(match matches[index] {
                    Match::Object(object) => Some(object),
                    Match::Background | Match::Ignored => None,
                });
            }
        }
        drawn
    }

    /// The class of each region as the box head counts them: 0 is background.
    pub fn labels(&self, objects: &[Vec<Object>]) -> Vec<u32> {
        let label = |(region, object): (&Region, &Option<usize>)| {
            object.map_or(0, |object| objects[region.image][object].class as u32 + 1)
        };
        self.regions.iter().zip(&self.objects).map(label).collect()
    }

    /// The regions that stand for an object: their places, and the object.
    pub fn positives<'a>(&self, objects: &'a [Vec<Object>]) -> impl Iterator<Item = (usize, &'a Object)> {
        let places = self.regions.iter().zip(&self.objects).enumerate();
        places.filter_map(|(place, (region, object))| Some((place, &objects[region.image][(*object)?])))
    }
}
