//! Assigns candidate boxes to objects (Ren et al. 2015, Section 3.1.2).

use crate::boxes::Corners;

/// The role of a candidate in the losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// It stands for the object of this index.
    Object(usize),
    /// It stands for nothing.
    Background,
    /// Neither is certain: it is left out.
    Ignored,
}

/// Assigns candidates to objects by their overlap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Matcher {
    /// From this intersection over union on a candidate stands for its best object.
    pub object_from: f32,
    /// Below this one it is background.
    pub background_below: f32,
    /// The candidates that overlap an object most are assigned to it, however little that is (`allow_low_quality_matches`).
    pub keep_best: bool,
}

impl Matcher {
    /// The match of each candidate. Without objects all are background.
    ///
    /// As in torchvision, a candidate that is kept because it overlaps some object most stands for the object
    /// that *it* overlaps most. Unlike there, an object that nothing overlaps keeps no candidate.
    pub fn matches(&self, objects: &[Corners], candidates: &[Corners]) -> Vec<Match> {
        let mut best = vec![(0usize, -1f32); candidates.len()];
        let mut kept = vec![false; candidates.len()];
        let mut overlaps = vec![0f32; candidates.len()];
        for (index, object) in objects.iter().enumerate() {
            let mut most = 0f32;
            for ((overlap, candidate), best) in overlaps.iter_mut().zip(candidates).zip(&mut best) {
                *overlap = object.iou(*candidate);
                most = most.max(*overlap);
                if *overlap > best.1 {
                    *best = (index, *overlap);
                }
            }
            if self.keep_best && most > 0.0 {
                kept.iter_mut().zip(&overlaps).for_each(|(kept, overlap)| *kept |= *overlap == most);
            }
        }
        let judge = |((object, overlap), kept): ((usize, f32), bool)| {
            if kept || overlap >= self.object_from {
                Match::Object(object)
            } else if overlap < self.background_below {
                Match::Background
            } else {
                Match::Ignored
            }
        };
        best.into_iter().zip(kept).map(judge).collect()
    }
}
