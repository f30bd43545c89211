//! The background: noise that is the same in distribution at every pixel of every image.

use rand::RngCore;
use univip_core::seed::Stream;

/// Mean grey.
const MEAN: f32 = 60.0;

/// Box means of one field of white noise: (radius of the box, standard deviation of its share).
const LAYERS: [(usize, f32); 4] = [(0, 5.0), (1, 6.0), (3, 7.0), (8, 7.0)];

/// The widest box reaches this far out of the image.
const MARGIN: usize = 8;

/// Standard deviation of a uniform byte.
const BYTE_DEVIATION: f32 = 73.9;

/// Grey values of a square texture, row by row.
///
/// A sum of box means of white noise: unlike interpolated noise it has no lattice, hence one
/// distribution wherever one looks. Box means cost four reads of a summed-area table each.
pub fn texture(side: usize, mut random: Stream) -> Vec<f32> {
    let wide = side + 2 * MARGIN;
    let mut noise = vec![0; wide * wide];
    random.fill_bytes(&mut noise);

    // Wrapping differences of wrapping sums are exact as long as the sum of one box fits.
    let stride = wide + 1;
    let mut sums = vec![0_i32; stride * stride];
    for y in 0..wide {
        let (done, rest) = sums.split_at_mut((y + 1) * stride);
        let above = &done[y * stride..];
        let mut row = 0_i32;
        for x in 0..wide {
            row += i32::from(noise[y * wide + x]);
            rest[x + 1] = above[x + 1].wrapping_add(row);
        }
    }

    let mut grey = vec![0.0_f32; side * side];
    for (radius, deviation) in LAYERS {
        let width = 2 * radius + 1;
        // The mean of width² independent bytes deviates `width` times less than one.
        let share = deviation * width as f32 / BYTE_DEVIATION / (width * width) as f32;
        let offset = MEAN / LAYERS.len() as f32 - share * 127.5 * (width * width) as f32;
        for (y, line) in grey.chunks_exact_mut(side).enumerate() {
            let first = y + MARGIN - radius;
            let left = MARGIN - radius;
            let top = &sums[first * stride + left..][..side + width];
            let bottom = &sums[(first + width) * stride + left..][..side + width];
            for (x, grey) in line.iter_mut().enumerate() {
                let sum = bottom[x + width]
                    .wrapping_sub(bottom[x])
                    .wrapping_sub(top[x + width])
                    .wrapping_add(top[x]);
                *grey += share * sum as f32 + offset;
            }
        }
    }
    grey
}

#[cfg(test)]
mod tests {
    use super::*;
    use univip_core::seed::stream;

    #[test]
    fn every_pixel_has_the_same_mean_and_deviation() {
        // 400 textures: the mean of a pixel over them is known to about 17 / 20 = 0.9 grey levels.
        let (side, count) = (24, 400);
        let mut sums = vec![(0.0_f64, 0.0_f64); side * side];
        for seed in 0..count {
            for (sum, grey) in sums.iter_mut().zip(texture(side, stream(seed, "test", &[]))) {
                sum.0 += f64::from(grey);
                sum.1 += f64::from(grey).powi(2);
            }
        }
        let moments: Vec<_> = sums
            .into_iter()
            .map(|(sum, squares)| {
                let mean = sum / count as f64;
                (mean, (squares / count as f64 - mean * mean).sqrt())
            })
            .collect();
        for (mean, deviation) in &moments {
            assert!((mean - f64::from(MEAN)).abs() < 4.0, "mean {mean}");
            assert!((13.0..21.0).contains(deviation), "deviation {deviation}");
        }
        let average = moments.iter().map(|(mean, _)| mean).sum::<f64>() / moments.len() as f64;
        assert!((average - f64::from(MEAN)).abs() < 1.0, "mean over all {average}");
    }

    #[test]
    fn a_large_texture_does_not_overflow() {
        let grey = texture(1024, stream(1, "test", &[]));
        let mean = grey.iter().map(|&grey| f64::from(grey)).sum::<f64>() / grey.len() as f64;
        assert!((mean - f64::from(MEAN)).abs() < 1.0, "{mean}");
        assert!(grey.iter().all(|grey| (-100.0..300.0).contains(grey)));
    }
}
