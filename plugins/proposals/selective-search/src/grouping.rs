//! Hierarchical grouping (Algorithm 1 of Uijlings et al.): the most similar neighbours merge, until one is left.

use crate::similarity::{Measure, Slots};
use std::collections::BinaryHeap;
use univip_core::geometry::BoundingBox;

/// A region of the hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grouped {
    /// The box around it.
    pub bounding_box: BoundingBox,
    /// 1 for a region of the segmentation; for a merged one, 1 more than the higher of its two.
    pub level: u32,
}

/// Every region that was, initial ones first, then in the order of merging.
///
/// `neighbours` are pairs of touching regions, as [`crate::regions::Regions`] lists them. Where OpenCV sorts the
/// list of similarities before each merge, a heap holds them: an entry of a region that has merged meanwhile is
/// skipped when it comes up. Of equal similarities the one found last comes first.
pub fn group(mut slots: Slots, neighbours: &[(u32, u32)], measures: &[Measure]) -> Vec<Grouped> {
    let initial = slots.boxes.iter().map(|&bounding_box| Grouped { bounding_box, level: 1 });
    let mut hierarchy = Hierarchy {
        slots: (0..slots.boxes.len()).map(Some).collect(),
        neighbours: vec![Vec::new(); slots.boxes.len()],
        queue: BinaryHeap::with_capacity(neighbours.len()),
        found: 0,
    };
    let mut regions: Vec<Grouped> = initial.collect();
    for &(a, b) in neighbours {
        hierarchy.neighbours[a as usize].push(b);
        hierarchy.neighbours[b as usize].push(a);
        hierarchy.enqueue(slots.similarity(measures, a as usize, b as usize), a, b);
    }
    // The last region that met each one, to visit a neighbour of both halves once.
    let mut met = vec![u32::MAX; regions.len()];
    while let Some(([a, b], [slot, other])) = hierarchy.most_similar() {
        let new = regions.len() as u32;
        hierarchy.slots[a as usize] = None;
        hierarchy.slots[b as usize] = None;
        slots.merge(measures, slot, other);
        regions.push(Grouped {
            bounding_box: slots.boxes[slot],
            level: regions[a as usize].level.max(regions[b as usize].level) + 1,
        });
        hierarchy.slots.push(Some(slot));
        hierarchy.neighbours.push(Vec::new());
        met.push(u32::MAX);
        for half in [a, b] {
            for neighbour in std::mem::take(&mut hierarchy.neighbours[half as usize]) {
                let Some(neighbour_slot) = hierarchy.slots[neighbour as usize] else { continue };
                if std::mem::replace(&mut met[neighbour as usize], new) == new {
                    continue;
                }
                hierarchy.neighbours[neighbour as usize].push(new);
                hierarchy.neighbours[new as usize].push(neighbour);
                hierarchy.enqueue(slots.similarity(measures, slot, neighbour_slot), new, neighbour);
            }
        }
    }
    regions
}

struct Hierarchy {
    /// The place of each region's features; `None` once it has merged.
    slots: Vec<Option<usize>>,
    /// Those each region touched when last looked at; some have merged since.
    neighbours: Vec<Vec<u32>>,
    /// The bits of the similarity above a counter, and the pair.
    queue: BinaryHeap<(u64, u32, u32)>,
    found: u32,
}

impl Hierarchy {
    fn enqueue(&mut self, similarity: f32, a: u32, b: u32) {
        // Similarities are not negative, so their bits sort as they do.
        self.queue.push((u64::from(similarity.to_bits()) << 32 | u64::from(self.found), a, b));
        self.found += 1;
    }

    /// The pair to merge, and where its features are.
    fn most_similar(&mut self) -> Option<([u32; 2], [usize; 2])> {
        while let Some((_, a, b)) = self.queue.pop() {
            if let (Some(slot), Some(other)) = (self.slots[a as usize], self.slots[b as usize]) {
                return Some(([a, b], [slot, other]));
            }
        }
        None
    }
}
