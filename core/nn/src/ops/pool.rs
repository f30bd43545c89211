//! Max pooling and the global mean.

use super::buffer::Buffer;
use super::map::{Map, Node, Pixels};
use super::product::Store;
use super::{composed, vectorised};
use candle_core::{Result, Shape, bail};
use rayon::prelude::*;
use std::ops::Range;

/// The maximum over square windows of `[B, H, W, C]`; the border is padded with nothing that could win.
///
/// The gradient goes to the first maximum of each window, as in PyTorch.
///
/// # Errors
/// When `padding` exceeds half the window, or no window fits.
pub fn max_pool(x: &Map, kernel: usize, stride: usize, padding: usize) -> Result<Map> {
    let windows = Windows { kernel, stride, padding };
    let output = windows.output(x.dims())?;
    let Some(pixels) = x.pixels() else {
        return composed::max_pool(x, kernel, stride, padding);
    };
    let input = <[usize; 4]>::try_from(x.dims()).unwrap_or_default();
    let shapes = Shapes { input, output };
    let (y, winners) = windows.maxima(shapes, pixels);
    let node = x.node().cloned();
    let backward = move |gradient: Buffer| {
        if let Some(node) = node {
            node.accumulate(input.iter().product(), |target, store| {
                windows.spread(shapes, &gradient, &winners, target, store);
                Ok(())
            })?;
        }
        Ok(None)
    };
    let node = Node::link([x.node(), None], None, backward)?;
    Ok(Map::new(Shape::from(output.to_vec()), y, node))
}

/// The mean over all positions: `[B, H, W, C]` to `[B, C]`.
///
/// # Errors
/// When the map is of vectors.
pub fn mean_pool(x: &Map) -> Result<Map> {
    let &[batch, height, width, channels] = x.dims() else {
        bail!("the mean over positions needs [B, H, W, C], got {:?}", x.dims());
    };
    let Some(pixels) = x.pixels() else {
        return composed::mean_pool(x);
    };
    let size = height * width * channels;
    let share = 1.0 / (height * width) as f32;
    let mut y = Buffer::zeros(batch * channels);
    y.par_chunks_mut(channels).enumerate().for_each(|(image, mean)| {
        pixels.with(image * size..(image + 1) * size, |pixels| {
            add_pixels(mean, pixels);
            mean.iter_mut().for_each(|sum| *sum *= share);
        });
    });
    let node = x.node().cloned();
    let backward = move |gradient: Buffer| {
        if let Some(node) = node {
            node.accumulate(batch * size, |target, store| {
                let images = target.par_chunks_mut(size).zip(gradient.par_chunks(channels));
                images.for_each(|(target, gradient)| {
                    spread_mean(target, gradient, share, store == Store::Add);
                });
                Ok(())
            })?;
        }
        Ok(None)
    };
    let node = Node::link([x.node(), None], None, backward)?;
    Ok(Map::new(Shape::from((batch, channels)), y, node))
}

vectorised! {
    /// Adds all pixels to `sum`.
    fn add_pixels(sum: &mut [f32], pixels: &[f32]) {
        for pixel in pixels.chunks_exact(sum.len()) {
            sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += value);
        }
    }

    /// Writes or adds a share of the gradient to each pixel.
    fn spread_mean(pixels: &mut [f32], gradient: &[f32], share: f32, add: bool) {
        for pixel in pixels.chunks_exact_mut(gradient.len()) {
            for (value, gradient) in pixel.iter_mut().zip(gradient) {
                let before = if add { *value } else { 0.0 };
                *value = before + gradient * share;
            }
        }
    }

    /// Puts the values of a place of the window where they are larger. A NaN wins and stays.
    fn challenge(y: &mut [f32], winners: &mut [u8], x: &[f32], place: u8) {
        for ((y, winner), x) in y.iter_mut().zip(winners).zip(x) {
            let wins = *x > *y || x.is_nan();
            *y = if wins { *x } else { *y };
            *winner = if wins { place } else { *winner };
        }
    }

    /// Adds the gradient where the place won.
    fn reward(sum: &mut [f32], gradient: &[f32], winners: &[u8], place: u8) {
        for ((sum, gradient), winner) in sum.iter_mut().zip(gradient).zip(winners) {
            *sum += if *winner == place { *gradient } else { 0.0 };
        }
    }
}

#[derive(Clone, Copy)]
struct Windows {
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl Windows {
    fn output(&self, dims: &[usize]) -> Result<[usize; 4]> {
        let &[batch, height, width, channels] = dims else {
            bail!("max pool needs [B, H, W, C], got {dims:?}");
        };
        let Self { kernel, stride, padding } = *self;
        if kernel == 0 || kernel > 15 || stride == 0 || padding * 2 > kernel {
            bail!("max pool cannot use a window of {kernel} with stride {stride} and padding {padding}");
        }
        if height + 2 * padding < kernel || width + 2 * padding < kernel {
            bail!("no window of {kernel} fits {dims:?} padded by {padding}");
        }
        let places = |size: usize| (size + 2 * padding - kernel) / stride + 1;
        Ok([batch, places(height), places(width), channels])
    }
}

/// `[B, H, W, C]` each.
#[derive(Clone, Copy)]
struct Shapes {
    input: [usize; 4],
    output: [usize; 4],
}

impl Windows {
    /// The maxima, and which place of its window won for each.
    fn maxima(&self, shapes: Shapes, pixels: &Pixels) -> (Buffer, Vec<u8>) {
        let Shapes { input, output } = shapes;
        let size: usize = output[1..].iter().product();
        let image: usize = input[1..].iter().product();
        let mut y = Buffer::stale(output[0] * size);
        let mut winners = vec![0u8; y.len()];
        let images = y.par_chunks_mut(size).zip(winners.par_chunks_mut(size)).enumerate();
        images.for_each(|(index, (y, winners))| {
            y.fill(f32::NEG_INFINITY);
            pixels.with(index * image..(index + 1) * image, |x| {
                self.each_place(shapes, |target, source, place| {
                    challenge(&mut y[target.clone()], &mut winners[target], &x[source], place);
                });
            });
        });
        (y, winners)
    }

    /// Gives each gradient to the place that won.
    fn spread(&self, shapes: Shapes, gradient: &[f32], winners: &[u8], target: &mut [f32], store: Store) {
        let Shapes { input, output } = shapes;
        let size: usize = output[1..].iter().product();
        let image: usize = input[1..].iter().product();
        let images =
            target.par_chunks_mut(image).zip(gradient.par_chunks(size)).zip(winners.par_chunks(size));
        images.for_each(|((result, gradient), winners)| {
            if store == Store::Replace {
                result.fill(0.0);
            }
            self.each_place(shapes, |source, target, place| {
                reward(&mut result[target], &gradient[source.clone()], &winners[source], place);
            });
        });
    }

    /// Calls `body(channels of an output position, channels of an input position, place in the window)` for
    /// all windows of an image.
    #[inline(always)]
    fn each_place(&self, shapes: Shapes, mut body: impl FnMut(Range<usize>, Range<usize>, u8)) {
        let Shapes { input: [_, height, width, channels], output } = shapes;
        let Windows { kernel, stride, padding } = *self;
        for oy in 0..output[1] {
            for ox in 0..output[2] {
                let target = (oy * output[2] + ox) * channels;
                for ky in 0..kernel {
                    for kx in 0..kernel {
                        let (y, x) = (oy * stride + ky, ox * stride + kx);
                        if y < padding || x < padding || y - padding >= height || x - padding >= width {
                            continue;
                        }
                        let source = ((y - padding) * width + x - padding) * channels;
                        let place = (ky * kernel + kx) as u8;
                        body(target..target + channels, source..source + channels, place);
                    }
                }
            }
        }
    }
}
