//! The edges between the pixels of a smoothed image, lightest first.

use crate::blur::gaussian;
use crate::colour::Planes;
use univip_core::vectorised::vectorised;

/// The 4-connected edges of an image smoothed with `sigma`, by the Euclidean distance of their pixels' colours; equal
/// ones in the order of the image.
///
/// An edge is the bits of its weight above its index, which is `2p` for the edge to the right of pixel `p` and
/// `2p + 1` for the one down. That limits an image to 2^31 pixels.
pub fn sorted_edges(planes: &Planes, sigma: f32) -> Vec<u64> {
    let (width, height) = (planes.width, planes.height);
    let smooth: Vec<Vec<f32>> =
        planes.channels.iter().map(|channel| gaussian(channel, width, height, sigma)).collect();
    let mut edges = Vec::with_capacity(2 * width * height);
    let (mut right, mut down) = (vec![0.0f32; width], vec![0.0f32; width]);
    for y in 0..height {
        vectorised(
            #[inline(always)]
            || distances(&smooth, y, &mut right, &mut down),
        );
        for (x, (&right, &down)) in right.iter().zip(&down).enumerate() {
            let index = 2 * (y * width + x) as u64;
            if x + 1 < width {
                edges.push(u64::from(right.to_bits()) << 32 | index);
            }
            if y + 1 < height {
                edges.push(u64::from(down.to_bits()) << 32 | (index + 1));
            }
        }
    }
    sort(&mut edges);
    edges
}

/// The weight of an edge.
pub fn weight(edge: u64) -> f32 {
    f32::from_bits((edge >> 32) as u32)
}

/// The pixels that an edge of an image connects.
pub fn ends(edge: u64, width: usize) -> [u32; 2] {
    let index = edge as u32;
    let step = if index & 1 == 0 { 1 } else { width as u32 };
    [index / 2, index / 2 + step]
}

/// The distances of every pixel of row `y` from its neighbour to the right and from the one below, where there is one.
#[inline(always)]
fn distances(channels: &[Vec<f32>], y: usize, right: &mut [f32], down: &mut [f32]) {
    let width = right.len();
    right.fill(0.0);
    down.fill(0.0);
    for channel in channels {
        let row = &channel[y * width..][..width];
        add_squares(right, row, &row[1..]);
        add_squares(down, row, &channel[(y + 1) * width..]);
    }
    for squares in [right, down] {
        for square in squares {
            *square = square.sqrt();
        }
    }
}

#[inline(always)]
fn add_squares(sums: &mut [f32], row: &[f32], other: &[f32]) {
    for (sum, (value, other)) in sums.iter_mut().zip(row.iter().zip(other)) {
        // Squared and added in double precision before rounding, as C++ does with `pow(float, 2)`.
        let difference = f64::from(value - other);
        *sum = (f64::from(*sum) + difference * difference) as f32;
    }
}

/// Sorts by weight, then by index. Weights are not negative, so their bits sort as they do.
///
/// A radix sort of the leading bits in which the weights differ, from the last digit to the first; the few edges
/// that it cannot tell apart are then sorted among themselves.
fn sort(edges: &mut Vec<u64>) {
    const DIGIT: u32 = 11;
    let bits = |edge: u64| (edge >> 32) as u32;
    // Zero, which is far below any other weight, is moved right below the least of them.
    let least = edges.iter().map(|&edge| bits(edge)).filter(|&bits| bits > 0).min().unwrap_or(1) - 1;
    let greatest = edges.iter().map(|&edge| bits(edge)).max().unwrap_or(0).saturating_sub(least);
    let shift = (u32::BITS - greatest.leading_zeros()).saturating_sub(2 * DIGIT);
    let leading = |edge: u64| bits(edge).saturating_sub(least) >> shift;
    let digits = |edge: u64| {
        let leading = leading(edge) as usize;
        [leading & ((1 << DIGIT) - 1), leading >> DIGIT]
    };
    let mut starts = [[0usize; 1 << DIGIT]; 2];
    for &edge in edges.iter() {
        let digits = digits(edge);
        starts[0][digits[0]] += 1;
        starts[1][digits[1]] += 1;
    }
    let mut spare = vec![0u64; edges.len()];
    for (pass, starts) in starts.iter_mut().enumerate() {
        let mut next = 0;
        for start in starts.iter_mut() {
            next += std::mem::replace(start, next);
        }
        for &edge in edges.iter() {
            let place = &mut starts[digits(edge)[pass]];
            spare[*place] = edge;
            *place += 1;
        }
        std::mem::swap(edges, &mut spare);
    }
    if shift > 0 {
        let alike = edges.chunk_by_mut(|&one, &next| leading(one) == leading(next));
        alike.filter(|alike| alike.len() > 1).for_each(<[u64]>::sort_unstable);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn edges_are_sorted_whatever_their_weights(
            weights in proptest::collection::vec(0.0f32..442.0, 0..300),
            scale in prop_oneof![Just(0.0f32), Just(1e-30), Just(1e-3), Just(1.0)],
            offset in prop_oneof![Just(0.0f32), Just(7.0)],
        ) {
            let key = |(index, weight): (usize, &f32)| {
                u64::from((weight * scale + offset).to_bits()) << 32 | index as u64
            };
            let mut edges: Vec<u64> = weights.iter().enumerate().map(key).collect();
            let mut expected = edges.clone();
            expected.sort_unstable();
            sort(&mut edges);
            prop_assert_eq!(edges, expected);
        }
    }
}
