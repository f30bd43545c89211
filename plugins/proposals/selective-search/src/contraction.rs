//! The common part of the segmentations of all scales, found once.
//!
//! The scale `k` decides only whether an edge still joins two components: at a larger `k` more do. Components grow in
//! the same way at all scales until one of them joins where another does not. Up to there they are grown here, over
//! all pixels; what is left is a graph of far fewer nodes and edges, on which each scale goes on alone.

use crate::edges::{ends, weight};
use crate::forest::Forest;
use std::ops::RangeInclusive;

/// The graph on which scales go on.
pub struct Contraction {
    /// The node of every pixel, row-major; nodes are numbered in the order of their first pixels.
    pub nodes: Vec<u32>,
    /// The facts of each node.
    pub components: Vec<Component>,
    /// The edges between nodes, lightest first.
    pub edges: Vec<Edge>,
}

/// A component of the graph (Felzenszwalb and Huttenlocher 2004).
#[derive(Clone, Copy)]
pub struct Component {
    /// Its pixels.
    pub size: u32,
    /// Its internal difference: the heaviest edge that joined it.
    pub heaviest: f32,
}

impl Component {
    /// The heaviest edge that may still join it.
    pub fn threshold(&self, k: f32) -> f32 {
        self.heaviest + k / self.size as f32
    }
}

/// An edge between nodes.
pub struct Edge {
    /// Euclidean distance of colour.
    pub weight: f32,
    /// The two nodes.
    pub ends: [u32; 2],
}

impl Contraction {
    /// Joins what all scales of a range join, along `edges` in their order.
    pub fn new(edges: &[u64], width: usize, height: usize, scales: &RangeInclusive<f32>) -> Self {
        let (mut forest, kept) = contract(edges, width, height, scales);
        let mut numbers = vec![u32::MAX; width * height];
        let mut nodes = Vec::with_capacity(width * height);
        let mut components = Vec::new();
        for pixel in 0..(width * height) as u32 {
            let root = forest.trees.root(pixel) as usize;
            if numbers[root] == u32::MAX {
                numbers[root] = components.len() as u32;
                components.push(forest.states[root].component);
            }
            nodes.push(numbers[root]);
        }
        let node = |edge: Edge| Edge { ends: edge.ends.map(|pixel| nodes[pixel as usize]), ..edge };
        let edges = kept.into_iter().map(node).collect();
        Self { nodes, components, edges }
    }
}

/// A component while it grows.
#[derive(Clone, Copy)]
struct State {
    component: Component,
    /// The thresholds at the smallest and at the largest scale: at most `low`, an edge joins at all scales, and above
    /// `high` at none. Once scales differ nothing is known: then `low` is below all weights, and `high` above.
    low: f32,
    high: f32,
}

struct Growing {
    trees: Forest,
    states: Vec<State>,
}

/// Grows components. An edge that is refused, or on which scales may differ, is kept for each scale to decide.
///
/// A refused edge does not change what comes after it here: at all scales it is refused because of one of its two
/// components, which no later and heavier edge joins either.
fn contract(
    edges: &[u64],
    width: usize,
    height: usize,
    scales: &RangeInclusive<f32>,
) -> (Growing, Vec<Edge>) {
    let alone = Component { size: 1, heaviest: 0.0 };
    let state = |component: Component| State {
        component,
        low: component.threshold(*scales.start()),
        high: component.threshold(*scales.end()),
    };
    let mut trees = Forest::new(width * height);
    let mut states = vec![state(alone); width * height];
    let mut kept = Vec::new();
    for batch in edges.chunks(BATCH) {
        let mut near = [[0; 2]; BATCH];
        for (near, &edge) in near.iter_mut().zip(batch) {
            *near = ends(edge, width).map(|pixel| trees.step(pixel));
        }
        for (&edge, near) in batch.iter().zip(near) {
            // Most edges lie inside a component, and most of those meet here already.
            if near[0] == near[1] {
                continue;
            }
            let [a, b] = near.map(|pixel| trees.root(pixel));
            if a == b {
                continue;
            }
            let weight = weight(edge);
            let (one, other) = (states[a as usize], states[b as usize]);
            if weight <= one.low && weight <= other.low {
                let (large, small) = if one.component.size < other.component.size { (b, a) } else { (a, b) };
                trees.attach(small, large);
                let size = one.component.size + other.component.size;
                states[large as usize] = state(Component { size, heaviest: weight });
                continue;
            }
            if weight <= one.high && weight <= other.high {
                for end in [a, b] {
                    let state = &mut states[end as usize];
                    (state.low, state.high) = (f32::NEG_INFINITY, f32::INFINITY);
                }
            }
            kept.push(Edge { weight, ends: [a, b] });
        }
    }
    (Growing { trees, states }, kept)
}

/// Edges whose ends are looked up together: the processor waits for memory once and not at every edge.
const BATCH: usize = 32;
