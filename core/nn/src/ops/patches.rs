//! The geometry of a convolution, and the copying between images and patches (im2col, col2im).

use super::map::Pixels;
use candle_core::{Result, bail};
use std::ops::Range;

/// The sizes of a convolution of `[batch, height, width, channels]` with `[filters, kernel, channels]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Geometry {
    pub(super) batch: usize,
    pub(super) input: [usize; 2],
    pub(super) channels: usize,
    pub(super) filters: usize,
    pub(super) kernel: [usize; 2],
    pub(super) stride: usize,
    pub(super) padding: [usize; 2],
    pub(super) output: [usize; 2],
}

impl Geometry {
    /// The convolution of `images` `[B, H, W, C]` with `weight` `[O, kh, kw, C]`.
    pub(super) fn new(images: &[usize], weight: &[usize], stride: usize, padding: usize) -> Result<Self> {
        let (&[batch, height, width, channels], &[filters, kh, kw, inputs]) = (images, weight) else {
            bail!(
                "convolution needs images [B, H, W, C] and a weight [O, kh, kw, C], got {images:?}, {weight:?}"
            );
        };
        if channels != inputs {
            bail!("images {images:?} have {channels} channels, the weight {weight:?} expects {inputs}");
        }
        if stride == 0 || height + 2 * padding < kh || width + 2 * padding < kw {
            bail!("no {kh}x{kw} window with stride {stride} fits images {images:?} padded by {padding}");
        }
        let places = |size: usize, kernel: usize| (size + 2 * padding - kernel) / stride + 1;
        Ok(Self {
            batch,
            input: [height, width],
            channels,
            filters,
            kernel: [kh, kw],
            stride,
            padding: [padding; 2],
            output: [places(height, kh), places(width, kw)],
        })
    }

    /// Output positions of an image.
    pub(super) fn area(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Output positions of the batch.
    pub(super) fn rows(&self) -> usize {
        self.batch * self.area()
    }

    /// Values under the window at one position.
    pub(super) fn patch(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.channels
    }

    /// Values of an input image.
    pub(super) fn image(&self) -> usize {
        self.input[0] * self.input[1] * self.channels
    }

    /// The convolution that takes the gradient of the output to that of the images, of the weight turned round.
    pub(super) fn turned(&self) -> Self {
        let [kh, kw] = self.kernel;
        Self {
            input: self.output,
            output: self.input,
            channels: self.filters,
            filters: self.channels,
            padding: [kh - 1 - self.padding[0], kw - 1 - self.padding[1]],
            ..*self
        }
    }

    /// True if the gradient of the images is a convolution of the output's gradient: see [`Geometry::turned`].
    pub(super) fn can_turn(&self) -> bool {
        self.stride == 1 && self.padding[0] < self.kernel[0] && self.padding[1] < self.kernel[1]
    }

    /// True if the images are their own patches: a matrix product over all positions.
    pub(super) fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.stride == 1 && self.padding == [0, 0]
    }

    /// Writes the patches of the output positions `rows` one after another; zeros beyond the border.
    pub(super) fn gather(&self, images: &Pixels, rows: Range<usize>, patches: &mut [f32]) {
        let line = self.kernel[1] * self.channels;
        for (row, patch) in rows.zip(patches.chunks_exact_mut(self.patch())) {
            let place = self.place(row);
            let image = place.image * self.image();
            for (ky, target) in patch.chunks_exact_mut(line).enumerate() {
                match self.line(&place, ky) {
                    None => target.fill(0.0),
                    Some((before, source)) => {
                        let count = source.len();
                        target[..before].fill(0.0);
                        images.read(image + source.start, &mut target[before..before + count]);
                        target[before + count..].fill(0.0);
                    }
                }
            }
        }
    }

    /// Adds the patches of the output positions `rows` to the images they came from. The first image of
    /// `images` is image `first` of the batch.
    pub(super) fn scatter(&self, patches: &[f32], rows: Range<usize>, first: usize, images: &mut [f32]) {
        let line = self.kernel[1] * self.channels;
        for (row, patch) in rows.zip(patches.chunks_exact(self.patch())) {
            let place = self.place(row);
            let image = &mut images[(place.image - first) * self.image()..][..self.image()];
            for (ky, source) in patch.chunks_exact(line).enumerate() {
                if let Some((before, target)) = self.line(&place, ky) {
                    for (sum, value) in image[target].iter_mut().zip(&source[before..]) {
                        *sum += value;
                    }
                }
            }
        }
    }

    fn place(&self, row: usize) -> Place {
        let (image, position) = (row / self.area(), row % self.area());
        let corner = |index: usize, padding: usize| (index * self.stride) as isize - padding as isize;
        Place {
            image,
            top: corner(position / self.output[1], self.padding[0]),
            left: corner(position % self.output[1], self.padding[1]),
        }
    }

    /// The range of line `ky` of a window in its image, and the number of the line's values before it.
    fn line(&self, place: &Place, ky: usize) -> Option<(usize, Range<usize>)> {
        let y = place.top + ky as isize;
        if y < 0 || y >= self.input[0] as isize {
            return None;
        }
        let width = self.input[1] as isize;
        let from = place.left.clamp(0, width);
        let to = (place.left + self.kernel[1] as isize).clamp(from, width);
        let before = (from - place.left).min(self.kernel[1] as isize) as usize * self.channels;
        let start = (y * width + from) as usize * self.channels;
        Some((before, start..start + (to - from) as usize * self.channels))
    }
}

/// The upper left corner of a window, which may lie beyond the border of its image.
struct Place {
    image: usize,
    top: isize,
    left: isize,
}
