//! PCA lighting: noise along the principal colours of ImageNet (Krizhevsky et al. 2012).

use univip_core::seed::{Stream, standard_normal};

/// The standard deviation of the noise along each principal colour.
const STRENGTH: f32 = 0.1;
const EIGENVALUES: [f32; 3] = [0.2175, 0.0188, 0.0045];
/// A row for each of red, green and blue.
const EIGENVECTORS: [[f32; 3]; 3] =
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]];

/// Adds one draw of the noise to an image `[S, S, 3]` that was divided by `std`.
pub fn light(image: &mut [f32], std: &[f32; 3], stream: &mut Stream) {
    let draws = EIGENVALUES.map(|value| value * STRENGTH * standard_normal(stream));
    let shift: [f32; 3] = std::array::from_fn(|channel| {
        let along = EIGENVECTORS[channel].iter().zip(draws).map(|(vector, draw)| vector * draw);
        along.sum::<f32>() / std[channel]
    });
    for pixel in image.chunks_exact_mut(3) {
        pixel.iter_mut().zip(shift).for_each(|(value, shift)| *value += shift);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use univip_core::seed::stream;

    #[test]
    fn an_image_shifts_as_a_whole_with_the_covariance_of_the_colours() {
        let (mut sums, draws, std) = ([0f64; 3], 20_000, [0.5, 0.25, 1.0]);
        let mut stream = stream(0, "lighting", &[]);
        for _ in 0..draws {
            let mut image = [0f32; 6];
            light(&mut image, &std, &mut stream);
            assert_eq!(image[..3], image[3..]);
            (0..3).for_each(|channel| sums[channel] += f64::from(image[channel] * std[channel]).powi(2));
        }
        for channel in 0..3 {
            let terms = EIGENVECTORS[channel].iter().zip(EIGENVALUES);
            let expected: f32 = terms.map(|(vector, value)| (vector * value * STRENGTH).powi(2)).sum();
            let found = sums[channel] / f64::from(draws);
            assert!((found / f64::from(expected) - 1.0).abs() < 0.05, "{channel}: {found}, {expected}");
        }
    }
}
