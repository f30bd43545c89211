//! The colour and texture histograms of regions (Section 3.2.2 of Uijlings et al.).

use crate::colour::Planes;
use crate::segmentation::Segmentation;
use crate::texture::{BINS, CODES, Texture};

const COLOUR_BINS: usize = 25;

/// One histogram for each region, each of sum 1.
#[derive(Clone)]
pub struct Histograms {
    values: Vec<f32>,
    length: usize,
}

impl Histograms {
    /// 25 bins a channel.
    pub fn colour(planes: &Planes, segmentation: &Segmentation, sizes: &[u32]) -> Self {
        let bins: [usize; 256] = std::array::from_fn(|value| value * COLOUR_BINS / 256);
        let length = planes.channels.len() * COLOUR_BINS;
        let mut counts = vec![0u32; segmentation.count * length];
        for (channel, offset) in planes.channels.iter().zip((0..).step_by(COLOUR_BINS)) {
            for (&label, &value) in segmentation.labels.iter().zip(channel) {
                counts[label as usize * length + offset + bins[usize::from(value)]] += 1;
            }
        }
        Self::normalised(&counts, length, sizes, planes.channels.len())
    }

    /// 10 bins for each of 8 directions a channel.
    pub fn texture(texture: &Texture, segmentation: &Segmentation, sizes: &[u32]) -> Self {
        let lines = texture.not_falling.len();
        let length = lines * CODES;
        let mut coded = vec![0u32; segmentation.count * length];
        for (&label, codes) in segmentation.labels.iter().zip(texture.codes.chunks_exact(lines)) {
            let histogram = &mut coded[label as usize * length..][..length];
            for (bins, &code) in histogram.chunks_exact_mut(CODES).zip(codes) {
                bins[usize::from(code)] += 1;
            }
        }
        let mut counts = vec![0u32; coded.len()];
        let slots = coded.chunks_exact(CODES).zip(counts.chunks_exact_mut(CODES));
        for ((coded, counts), &not_falling) in slots.zip(texture.not_falling.iter().cycle()) {
            counts.copy_from_slice(coded);
            counts[0] += coded[BINS..].iter().sum::<u32>();
            counts[BINS + usize::from(not_falling)] += coded[..BINS].iter().sum::<u32>();
        }
        Self::normalised(&counts, length, sizes, 2 * lines)
    }

    fn normalised(counts: &[u32], length: usize, sizes: &[u32], votes: usize) -> Self {
        let mut values = Vec::with_capacity(counts.len());
        for (histogram, &size) in counts.chunks_exact(length).zip(sizes) {
            let total = (u64::from(size) * votes as u64) as f32;
            values.extend(histogram.iter().map(|&count| count as f32 / total));
        }
        Self { values, length }
    }

    /// The sum of the smaller bins of two regions, 0 (nothing shared) to 1 (the same).
    pub fn intersection(&self, a: usize, b: usize) -> f32 {
        const LANES: usize = 8;
        let (a, b) = (self.row(a).as_chunks::<LANES>(), self.row(b).as_chunks::<LANES>());
        let mut sums = [0.0f32; LANES];
        for (a, b) in a.0.iter().zip(b.0) {
            for lane in 0..LANES {
                sums[lane] += if a[lane] < b[lane] { a[lane] } else { b[lane] };
            }
        }
        let rest: f32 = a.1.iter().zip(b.1).map(|(a, b)| a.min(*b)).sum();
        sums.iter().sum::<f32>() + rest
    }

    /// Puts into `into` the histogram of both regions together.
    pub fn merge(&mut self, into: usize, other: usize, size_into: u32, size_other: u32) {
        let length = self.length;
        let (low, high) = (into.min(other), into.max(other));
        let (head, tail) = self.values.split_at_mut(high * length);
        let (low, high) = (&mut head[low * length..][..length], &mut tail[..length]);
        let (target, source) = if into < other { (low, high) } else { (high, low) };
        let (size_into, size_other) = (size_into as f32, size_other as f32);
        for (value, other) in target.iter_mut().zip(source) {
            *value = (*value * size_into + *other * size_other) / (size_into + size_other);
        }
    }

    fn row(&self, region: usize) -> &[f32] {
        &self.values[region * self.length..][..self.length]
    }
}
