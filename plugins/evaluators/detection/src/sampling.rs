//! Samples the candidates that the losses see (Ren et al. 2015, Section 3.1.3).

use crate::matching::Match;
use rand::seq::index;
use univip_core::seed::{Stream, stream};

/// The source of a training step's random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draws {
    /// The run's seed.
    pub seed: u64,
    /// The step.
    pub step: u64,
}

impl Draws {
    /// For one purpose and one image of the batch.
    pub fn stream(&self, purpose: &str, image: usize) -> Stream {
        stream(self.seed, &format!("detection {purpose}"), &[self.step, image as u64])
    }
}

/// Draws so many candidates of an image, objects up to a share of them and background for the rest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    /// Candidates an image.
    pub count: usize,
    /// The largest share of objects.
    pub objects: f32,
}

/// Indices of candidates, in ascending order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sampled {
    /// Candidates that stand for an object.
    pub objects: Vec<usize>,
    /// Candidates that stand for nothing.
    pub background: Vec<usize>,
}

impl Sampler {
    /// Draws from the candidates of one image. With fewer objects than its share, background fills the rest.
    pub fn sample(&self, matches: &[Match], stream: &mut Stream) -> Sampled {
        let of = |kind: fn(&Match) -> bool| -> Vec<usize> {
            matches.iter().enumerate().filter(|(_, found)| kind(found)).map(|(index, _)| index).collect()
        };
        let objects = of(|found| matches!(found, Match::Object(_)));
        let background = of(|found| *found == Match::Background);
        let most = (self.count as f32 * self.objects) as usize;
        let objects = draw(objects, most, stream);
        let background = draw(background, self.count - objects.len(), stream);
        Sampled { objects, background }
    }
}

/// `count` of them without repetition, or all if there are no more.
fn draw(from: Vec<usize>, count: usize, stream: &mut Stream) -> Vec<usize> {
    if from.len() <= count {
        return from;
    }
    let mut drawn: Vec<usize> =
        index::sample(stream, from.len(), count).into_iter().map(|at| from[at]).collect();
    drawn.sort_unstable();
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_capped_and_background_fills_the_rest() {
        // (objects, background, ignored) among the candidates, and what 8 with at most a quarter objects are.
        for (candidates, expected) in [([5, 20, 3], (2, 6)), ([1, 20, 0], (1, 7)), ([5, 3, 9], (2, 3))] {
            let kinds = [Match::Object(0), Match::Background, Match::Ignored];
            let matches: Vec<Match> =
                kinds.iter().zip(candidates).flat_map(|(kind, count)| vec![*kind; count]).collect();
            let sampler = Sampler { count: 8, objects: 0.25 };
            let drawn = |seed| sampler.sample(&matches, &mut stream(seed, "test", &[]));
            let sampled = drawn(1);
            assert_eq!((sampled.objects.len(), sampled.background.len()), expected);
            assert!(sampled.objects.iter().all(|index| matches[*index] == Match::Object(0)));
            assert!(sampled.background.iter().all(|index| matches[*index] == Match::Background));
            assert!(sampled.background.windows(2).all(|pair| pair[0] < pair[1]), "no candidate twice");
            assert_eq!(drawn(1), sampled);
        }
    }

    #[test]
    fn every_candidate_is_drawn_sometimes() {
        let matches = vec![Match::Background; 10];
        let mut seen = [0; 10];
        for seed in 0..200 {
            let sampled = Sampler { count: 3, objects: 0.5 }.sample(&matches, &mut stream(seed, "test", &[]));
            sampled.background.iter().for_each(|index| seen[*index] += 1);
        }
        assert!(seen.iter().all(|count| (30..=90).contains(count)), "{seen:?}");
    }
}
