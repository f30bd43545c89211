//! A cache of drawn scenes: each epoch, and each row of a table, shows the same ones.

use std::sync::OnceLock;

/// A cache of the first scenes, as many as memory may be spent on.
pub struct Kept<T>(Vec<OnceLock<T>>);

impl<T> Kept<T> {
    /// The most bytes in all: 8,192 scenes of 128 pixels at a byte a pixel.
    const MOST: usize = 128 << 20;

    /// Of so many scenes, each of so many bytes.
    pub fn of(scenes: usize, bytes: usize) -> Self {
        Self((0..scenes.min(Self::MOST / bytes.max(1))).map(|_| OnceLock::new()).collect())
    }

    /// Calls `read` with a scene, which is drawn the first time, and each time where the cache has no room for it.
    pub fn read<R>(&self, index: usize, draw: impl FnOnce() -> T, read: impl FnOnce(&T) -> R) -> R {
        match self.0.get(index) {
            Some(kept) => read(kept.get_or_init(draw)),
            None => read(&draw()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn what_fits_is_drawn_once() {
        let kept = Kept::of(4, Kept::<usize>::MOST / 2);
        let drawn = Cell::new(0);
        let read = |index: usize| {
            let draw = || {
                drawn.set(drawn.get() + 1);
                10 * index
            };
            kept.read(index, draw, |value| value + 1)
        };
        assert_eq!([0, 1, 2, 0, 1, 2].map(read), [1, 11, 21, 1, 11, 21]);
        assert_eq!(drawn.get(), 4, "two scenes fit");
    }
}
