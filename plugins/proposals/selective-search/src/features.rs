//! The colour and texture histograms of regions (Section 3.2.2 of Uijlings et al.).

use crate::colour::Planes;
use crate::segmentation::Segmentation;
use crate::texture::{BINS, CODES, LINES, Texture};

const COLOUR_BINS: usize = 25;

/// One histogram for each region, each of sum 1.
#[derive(Clone)]
pub struct Histograms {
    values: Vec<f32>,
    length: usize,
}

impl Histograms {
    /// Those of colour, 25 bins a channel, and those of texture, 10 bins for each of 8 directions a channel.
    pub fn of(planes: &Planes, texture: &Texture, segmentation: &Segmentation, sizes: &[u32]) -> [Self; 2] {
        match planes.channels.len() {
            1 => Self::of_channels::<1>(planes, texture, segmentation, sizes),
            _ => Self::of_channels::<3>(planes, texture, segmentation, sizes),
        }
    }

    fn of_channels<const CHANNELS: usize>(
        planes: &Planes,
        texture: &Texture,
        segmentation: &Segmentation,
        sizes: &[u32],
    ) -> [Self; 2] {
        // 256 places where 240 and 75 are used: no byte is outside.
        let mut textures = vec![[0u32; 256]; segmentation.count];
        let mut colours = vec![[[0u32; 256 / 4]; CHANNELS]; segmentation.count];
        let channels: [&[u8]; CHANNELS] = std::array::from_fn(|channel| &planes.channels[channel][..]);
        let mut start = 0;
        for run in segmentation.labels.chunk_by(|one, next| one == next) {
            let (texture_counts, colour_counts) =
                (&mut textures[run[0] as usize], &mut colours[run[0] as usize]);
            let pixels = start..start + run.len();
            for codes in &texture.codes[pixels.clone()] {
                for line in codes {
                    for &code in &line[..CHANNELS] {
                        texture_counts[usize::from(code)] += 1;
                    }
                }
            }
            for (counts, channel) in colour_counts.iter_mut().zip(channels) {
                for &value in &channel[pixels.clone()] {
                    counts[usize::from(value) * COLOUR_BINS / 256] += 1;
                }
            }
            start = pixels.end;
        }
        let lines = CHANNELS * LINES;
        for counts in &mut textures {
            for (counts, &not_falling) in counts.chunks_exact_mut(CODES).zip(&texture.not_falling) {
                let (rising, falling) = counts.split_at_mut(BINS);
                let sums = [&*rising, &*falling].map(|half| half.iter().sum::<u32>());
                rising[0] += sums[1];
                falling[usize::from(not_falling)] += sums[0];
            }
        }
        let colours = colours.iter().map(|counts| counts.iter().flat_map(|counts| &counts[..COLOUR_BINS]));
        let textures = textures.iter().map(|counts| counts[..lines * CODES].iter());
        [
            Self::normalised(colours, CHANNELS * COLOUR_BINS, sizes, CHANNELS),
            Self::normalised(textures, lines * CODES, sizes, 2 * lines),
        ]
    }

    fn normalised<'a, Counts: Iterator<Item = &'a u32>>(
        regions: impl Iterator<Item = Counts>,
        length: usize,
        sizes: &[u32],
        votes: usize,
    ) -> Self {
        let mut values = Vec::with_capacity(sizes.len() * length);
        for (counts, &size) in regions.zip(sizes) {
            let total = (u64::from(size) * votes as u64) as f32;
            values.extend(counts.map(|&count| count as f32 / total));
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
