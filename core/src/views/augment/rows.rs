//! A square view while it is being augmented, and what is done to its rows.

use crate::vectorised::vectorised;

/// Red, green and blue of a square view as planes of grey levels 0..=255, row by row.
///
/// Floats in planes, because then every step is a loop over neighbouring numbers that compiles to vector
/// instructions. Levels are whole numbers up to the blur, truncated wherever Pillow stores 8 bits.
#[derive(Debug, Default)]
pub(super) struct Planes {
    side: usize,
    levels: [Vec<f32>; 3],
}

/// A row's red, green and blue. What is done to one stays in the processor's nearest cache.
pub(super) type Row<'a> = [&'a mut [f32]; 3];

impl Planes {
    /// Takes the size of a view; what is in it is of no use yet.
    pub fn resize(&mut self, side: usize) {
        self.side = side;
        self.levels.iter_mut().for_each(|plane| plane.resize(side * side, 0.0));
    }

    /// Rows, and columns.
    pub fn side(&self) -> usize {
        self.side
    }

    /// A row of one of the planes.
    #[inline(always)]
    pub fn line(&self, channel: usize, y: usize) -> &[f32] {
        &self.levels[channel][y * self.side..][..self.side]
    }

    /// All rows, from the top.
    pub fn rows(&mut self) -> impl Iterator<Item = Row<'_>> {
        let [reds, greens, blues] = self.levels.each_mut().map(|plane| plane.chunks_exact_mut(self.side));
        reds.zip(greens).zip(blues).map(|((reds, greens), blues)| [reds, greens, blues])
    }
}

/// The same row again, for one more step.
pub(super) fn again<'a>(row: &'a mut Row<'_>) -> Row<'a> {
    row.each_mut().map(|line| &mut **line)
}

/// Fills a row from 8-bit RGB `pixels`.
pub(super) fn load([reds, greens, blues]: Row<'_>, pixels: &[u8]) {
    let (pixels, _) = pixels.as_chunks::<3>();
    vectorised(|| {
        for (((pixel, red), green), blue) in
            pixels.iter().zip(reds.iter_mut()).zip(greens.iter_mut()).zip(blues.iter_mut())
        {
            [*red, *green, *blue] = pixel.map(f32::from);
        }
    });
}

/// A transformation of each pixel by itself.
pub(super) trait Change {
    /// The new red, green and blue. An implementation must be `#[inline(always)]`, to become vector instructions.
    fn of(&self, pixel: [f32; 3]) -> [f32; 3];
}

/// Changes each pixel of a row.
pub(super) fn change(row: Row<'_>, change: impl Change) {
    pulp::Arch::new().dispatch(Changed { row, change });
}

struct Changed<'a, C> {
    row: Row<'a>,
    change: C,
}

impl<C: Change> pulp::NullaryFnOnce for Changed<'_, C> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let [reds, greens, blues] = self.row;
        for ((red, green), blue) in reds.iter_mut().zip(greens).zip(blues) {
            [*red, *green, *blue] = self.change.of([*red, *green, *blue]);
        }
    }
}

/// The largest whole number not above `level`, for levels in 0..=255.
///
/// By adding and taking away 2^23, where floats have no fraction: unlike `f32::floor` this becomes vector
/// instructions on every processor, not a call.
#[inline(always)]
pub(super) fn floor(level: f32) -> f32 {
    const NO_FRACTION: f32 = 8_388_608.0;
    let nearest = (level + NO_FRACTION) - NO_FRACTION;
    if nearest > level { nearest - 1.0 } else { nearest }
}
