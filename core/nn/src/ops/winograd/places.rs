//! The 16 places of transformed tiles in memory.

use crate::ops::LANES;

/// Places of a transformed tile.
pub(super) const PLACES: usize = 16;

/// The same part of each of the 16 places.
pub(super) type Places<'a> = [&'a mut [f32]; PLACES];

/// Values from one place to the next, where each has `values`. Not a multiple of a page: the same values of all places
/// would then compete for a few lines of the first-level cache.
pub(super) fn stride(values: usize) -> usize {
    values + LANES
}

/// `values`, which are 16 places with `used` values each, in parts of `part` values of each place.
pub(super) fn parts(values: &mut [f32], used: usize, part: usize) -> Vec<Places<'_>> {
    let places = values.chunks_mut(stride(used));
    let mut places: Vec<_> = places.map(|place| place[..used].chunks_mut(part)).collect();
    let next = |_| std::array::from_fn(|index| places[index].next().unwrap_or_default());
    (0..used.div_ceil(part)).map(next).collect()
}
