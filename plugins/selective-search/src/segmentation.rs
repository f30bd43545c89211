//! Graph segmentation (Felzenszwalb and Huttenlocher 2004): the regions that grouping starts from.

use crate::blur::gaussian;
use crate::colour::Planes;

/// The pixels of a smoothed image with the edges between them, lightest first.
///
/// One graph serves every scale `k`: only the order of its edges depends on the image. An edge is numbered in 32
/// bits, which limits an image to 2^31 pixels.
pub struct PixelGraph {
    width: usize,
    height: usize,
    /// The bits of the weight above the index of the edge; edge `2p` goes right from pixel `p`, `2p + 1` down.
    edges: Vec<u64>,
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
    pub fn new(planes: &Planes, sigma: f32) -> Self {
        let (width, height) = (planes.width, planes.height);
        let smooth: Vec<Vec<f32>> =
            planes.channels.iter().map(|channel| gaussian(channel, width, height, sigma)).collect();
        let mut edges = Vec::with_capacity(2 * width * height);
        let mut right = vec![0.0f32; width];
        let mut down = vec![0.0f32; width];
        for y in 0..height {
            right.fill(0.0);
            down.fill(0.0);
            for channel in &smooth {
                let row = &channel[y * width..][..width];
                add_squares(&mut right, row, &row[1..]);
                add_squares(&mut down, row, &channel[(y + 1) * width..]);
            }
            for x in 0..width {
                let pixel = (y * width + x) as u64;
                if x + 1 < width {
                    edges.push(key(right[x], 2 * pixel));
                }
                if y + 1 < height {
                    edges.push(key(down[x], 2 * pixel + 1));
                }
            }
        }
        sort_by_weight(&mut edges);
        Self { width, height, edges }
    }

    /// Merges pixels into regions: a larger `k` makes larger regions, and a region of fewer than `min_size`
    /// pixels joins its most similar neighbour.
    ///
    /// Each edge is visited once where OpenCV has one for either direction; the second visit never merges.
    pub fn segment(&self, k: f32, min_size: u32) -> Segmentation {
        let mut forest = Forest::new(self.width * self.height, k);
        let mut refused = Vec::new();
        for batch in self.edges.chunks(BATCH) {
            let mut near = [[0; 2]; BATCH];
            for (near, &edge) in near.iter_mut().zip(batch) {
                *near = self.ends(edge).map(|pixel| forest.step(pixel));
            }
            for (&edge, near) in batch.iter().zip(near) {
                // Most edges lie inside a region, and most of those meet here already.
                if near[0] == near[1] {
                    continue;
                }
                let [a, b] = near.map(|pixel| forest.root(pixel));
                if a == b {
                    continue;
                }
                let weight = f32::from_bits((edge >> 32) as u32);
                if weight <= forest.roots[a].threshold && weight <= forest.roots[b].threshold {
                    let root = forest.join(a, b);
                    let merged = &mut forest.roots[root];
                    merged.threshold = weight + k / merged.size as f32;
                } else {
                    refused.push(edge);
                }
            }
        }
        for edge in refused {
            let [a, b] = self.ends(edge).map(|pixel| forest.root(pixel));
            if a != b && (forest.roots[a].size < min_size || forest.roots[b].size < min_size) {
                forest.join(a, b);
            }
        }
        forest.number()
    }

    /// The pixels that an edge connects.
    fn ends(&self, edge: u64) -> [usize; 2] {
        let index = edge as u32 as usize;
        let step = if index & 1 == 0 { 1 } else { self.width };
        [index / 2, index / 2 + step]
    }
}

/// Edges whose ends are looked up together: the processor waits for memory once and not at every edge.
const BATCH: usize = 32;

fn add_squares(sums: &mut [f32], row: &[f32], other: &[f32]) {
    for (sum, (value, other)) in sums.iter_mut().zip(row.iter().zip(other)) {
        // Squared and added in double precision before rounding, as C++ does with `pow(float, 2)`.
        let difference = f64::from(value - other);
        *sum = (f64::from(*sum) + difference * difference) as f32;
    }
}

/// Weights are not negative, so their bits sort as they do; the index makes the order total.
fn key(square: f32, index: u64) -> u64 {
    u64::from(square.sqrt().to_bits()) << 32 | index
}

/// A radix sort of the upper 32 bits, stable, so that equal weights stay in the order of the image.
fn sort_by_weight(edges: &mut Vec<u64>) {
    const BITS: u32 = 11;
    let mut spare = vec![0u64; edges.len()];
    for pass in 0..3 {
        let digit = |edge: u64| (edge >> (32 + pass * BITS)) as usize & ((1 << BITS) - 1);
        let mut starts = [0usize; 1 << BITS];
        for &edge in edges.iter() {
            starts[digit(edge)] += 1;
        }
        let mut next = 0;
        for start in &mut starts {
            next += std::mem::replace(start, next);
        }
        for &edge in edges.iter() {
            let place = &mut starts[digit(edge)];
            spare[*place] = edge;
            *place += 1;
        }
        std::mem::swap(edges, &mut spare);
    }
}

/// Disjoint sets of pixels.
struct Forest {
    parents: Vec<u32>,
    roots: Vec<Root>,
}

#[derive(Clone, Copy)]
struct Root {
    size: u32,
    /// The heaviest edge that may still join this region: its internal difference plus `k / size`.
    threshold: f32,
}

impl Forest {
    fn new(pixels: usize, k: f32) -> Self {
        Self { parents: (0..pixels as u32).collect(), roots: vec![Root { size: 1, threshold: k }; pixels] }
    }

    /// Moves a pixel one step nearer to its root, and returns where it is now.
    fn step(&mut self, pixel: usize) -> usize {
        let nearer = self.parents[self.parents[pixel] as usize];
        self.parents[pixel] = nearer;
        nearer as usize
    }

    fn root(&mut self, mut pixel: usize) -> usize {
        loop {
            let parent = self.parents[pixel] as usize;
            if parent == pixel {
                return pixel;
            }
            pixel = self.step(pixel);
        }
    }

    fn join(&mut self, a: usize, b: usize) -> usize {
        let (large, small) = if self.roots[a].size < self.roots[b].size { (b, a) } else { (a, b) };
        self.parents[small] = large as u32;
        self.roots[large].size += self.roots[small].size;
        large
    }

    fn number(mut self) -> Segmentation {
        let mut numbers = vec![u32::MAX; self.parents.len()];
        let mut count = 0;
        let mut labels = Vec::with_capacity(self.parents.len());
        for pixel in 0..self.parents.len() {
            let number = &mut numbers[self.root(pixel)];
            if *number == u32::MAX {
                *number = count;
                count += 1;
            }
            labels.push(*number);
        }
        Segmentation { labels, count: count as usize }
    }
}
