//! Graph segmentation (Felzenszwalb and Huttenlocher 2004): the regions that grouping starts from.

use crate::colour::Planes;
use crate::contraction::{Component, Contraction};
use crate::edges::sorted_edges;
use crate::forest::Forest;
use std::ops::RangeInclusive;

/// The pixels of a smoothed image with the edges between them, as far as a range of scales needs them.
pub struct PixelGraph {
    scales: RangeInclusive<f32>,
    contraction: Contraction,
}

/// A partition of an image into connected regions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segmentation {
    /// The region of every pixel, row-major; regions are numbered in the order of their first pixels.
    pub labels: Vec<u32>,
    /// The number of regions.
    pub count: usize,
}

impl PixelGraph {
    /// Smooths the image with `sigma` and sorts its 4-connected edges by Euclidean distance of colour.
    pub fn new(planes: &Planes, sigma: f32, scales: RangeInclusive<f32>) -> Self {
        let edges = sorted_edges(planes, sigma);
        let contraction = Contraction::new(&edges, planes.width, planes.height, &scales);
        Self { scales, contraction }
    }

    /// Merges pixels into regions: a larger `k` makes larger regions, and a region of fewer than `min_size`
    /// pixels joins its most similar neighbour.
    ///
    /// Each edge is visited once where OpenCV has one for either direction; the second visit never merges.
    ///
    /// # Panics
    ///
    /// If `k` is not among the graph's scales.
    pub fn segment(&self, k: f32, min_size: u32) -> Segmentation {
        assert!(self.scales.contains(&k), "scale {k} is outside {:?}", self.scales);
        let Contraction { nodes, components, edges } = &self.contraction;
        let mut merged = Merged { forest: Forest::new(components.len()), components: components.clone() };
        let mut refused = Vec::new();
        for edge in edges {
            let [a, b] = edge.ends.map(|node| merged.forest.root(node));
            if a == b {
                continue;
            }
            let joins = |end: u32| edge.weight <= merged.components[end as usize].threshold(k);
            if joins(a) && joins(b) {
                merged.join(a, b, edge.weight);
            } else {
                refused.push((edge.weight, [a, b]));
            }
        }
        for (weight, ends) in refused {
            let [a, b] = ends.map(|node| merged.forest.root(node));
            let small = |end: u32| merged.components[end as usize].size < min_size;
            if a != b && (small(a) || small(b)) {
                merged.join(a, b, weight);
            }
        }
        let (numbers, count) = merged.numbers();
        Segmentation { labels: nodes.iter().map(|&node| numbers[node as usize]).collect(), count }
    }
}

/// Nodes that have merged at one scale.
struct Merged {
    forest: Forest,
    /// By root.
    components: Vec<Component>,
}

impl Merged {
    fn join(&mut self, a: u32, b: u32, weight: f32) {
        let sizes = [a, b].map(|end| self.components[end as usize].size);
        let (large, small) = if sizes[0] < sizes[1] { (b, a) } else { (a, b) };
        self.forest.attach(small, large);
        self.components[large as usize] = Component { size: sizes[0] + sizes[1], heaviest: weight };
    }

    /// The region of each node, and how many there are.
    fn numbers(mut self) -> (Vec<u32>, usize) {
        let mut of_root = vec![u32::MAX; self.components.len()];
        let mut count = 0;
        let mut number = |node| {
            let number = &mut of_root[self.forest.root(node) as usize];
            if *number == u32::MAX {
                *number = count;
                count += 1;
            }
            *number
        };
        let numbers = (0..self.components.len() as u32).map(&mut number).collect();
        (numbers, count as usize)
    }
}
