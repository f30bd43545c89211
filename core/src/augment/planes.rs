//! A square view while it is being augmented.

/// Red, green and blue of a square view as planes of grey levels 0..=255, row by row.
///
/// Floats in planes, because then every step is a loop over neighbouring numbers that compiles to vector
/// instructions. Levels are whole numbers up to the blur, truncated wherever Pillow stores 8 bits.
#[derive(Debug, Default)]
pub(super) struct Planes {
    side: usize,
    levels: [Vec<f32>; 3],
    /// A plane for steps that cannot work in place.
    pub spare: Vec<f32>,
}

impl Planes {
    /// Takes over 8-bit RGB `pixels`, `[side, side, 3]`.
    pub fn load(&mut self, pixels: &[u8], side: usize) {
        self.side = side;
        let count = side * side;
        for plane in self.levels.iter_mut().chain([&mut self.spare]) {
            plane.resize(count, 0.0);
        }
        let (pixels, _) = pixels.as_chunks::<3>();
        let [reds, greens, blues] = self.each_mut();
        for (((pixel, red), green), blue) in pixels.iter().zip(reds).zip(greens).zip(blues) {
            *red = f32::from(pixel[0]);
            *green = f32::from(pixel[1]);
            *blue = f32::from(pixel[2]);
        }
    }

    /// Rows, and columns.
    pub fn side(&self) -> usize {
        self.side
    }

    /// Red, green, blue.
    pub fn each(&self) -> [&[f32]; 3] {
        self.levels.each_ref().map(Vec::as_slice)
    }

    /// Red, green, blue.
    pub fn each_mut(&mut self) -> [&mut [f32]; 3] {
        self.levels.each_mut().map(Vec::as_mut_slice)
    }

    /// Replaces each pixel by what `change` makes of its red, green and blue.
    #[inline(always)]
    pub fn map(&mut self, change: impl Fn([f32; 3]) -> [f32; 3]) {
        let [reds, greens, blues] = self.each_mut();
        for ((red, green), blue) in reds.iter_mut().zip(greens).zip(blues) {
            [*red, *green, *blue] = change([*red, *green, *blue]);
        }
    }

    /// A plane and the spare one.
    pub fn with_spare(&mut self, channel: usize) -> (&mut Vec<f32>, &mut Vec<f32>) {
        (&mut self.levels[channel], &mut self.spare)
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
