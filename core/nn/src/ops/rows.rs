//! Rows of channels, and the partition of a batch that sums are taken over.

use rayon::prelude::*;
use std::ops::Range;

/// The partition of rows of channels: groups, and in each group chunks that fit the first-level cache.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    pub(super) channels: usize,
    pub(super) groups: usize,
    /// Rows of a group.
    pub(super) group: usize,
}

impl Rows {
    /// The rows of values with the sizes `dims`, the last of which is the channels.
    pub(super) fn of(dims: &[usize], groups: usize) -> Self {
        let (channels, outer) = dims.split_last().map_or((1, dims), |(channels, outer)| (*channels, outer));
        Self { channels, groups, group: outer.iter().product::<usize>() / groups }
    }

    /// Values of a group.
    pub(super) fn group_values(&self) -> usize {
        self.group * self.channels
    }

    /// Values of a chunk.
    pub(super) fn chunk_values(&self) -> usize {
        (8192 / self.channels).max(1) * self.channels
    }

    /// The part of `values`, `[groups, channels]`, that belongs to a group.
    pub(super) fn of_group<'a>(&self, values: &'a [f32], group: usize) -> &'a [f32] {
        &values[group * self.channels..(group + 1) * self.channels]
    }

    /// Calls `body(group, where the chunk lies, chunk)` for each chunk of `target`, in parallel.
    pub(super) fn each_chunk(
        &self,
        target: &mut [f32],
        body: impl Fn(usize, Range<usize>, &mut [f32]) + Sync,
    ) {
        target.par_chunks_mut(self.group_values()).enumerate().for_each(|(group, target)| {
            target.par_chunks_mut(self.chunk_values()).enumerate().for_each(|(index, target)| {
                let start = group * self.group_values() + index * self.chunk_values();
                body(group, start..start + target.len(), target);
            });
        });
    }

    /// For each chunk two sums a channel by `sum(group, where the chunk lies, its part of what belongs to it, sums)`, which
    /// are then combined in order: `combine(group, chunk's rows, first sums, second sums)`.
    pub(super) fn reduce<T: Send>(
        &self,
        parts: impl Iterator<Item = T>,
        sum: impl Fn(usize, Range<usize>, T, [&mut [f32]; 2]) + Sync,
        mut combine: impl FnMut(usize, usize, &[f32], &[f32]),
    ) {
        let (group, chunk) = (self.group_values(), self.chunk_values());
        let chunks = group.div_ceil(chunk);
        let range = |index: usize| {
            let start = (index % chunks) * chunk;
            let from = (index / chunks) * group + start;
            from..from + chunk.min(group - start)
        };
        let mut sums = vec![0.0; self.groups * chunks * 2 * self.channels];
        let tasks: Vec<_> = parts.zip(sums.chunks_mut(2 * self.channels)).enumerate().collect();
        tasks.into_par_iter().for_each(|(index, (part, sums))| {
            let (first, second) = sums.split_at_mut(self.channels);
            sum(index / chunks, range(index), part, [first, second]);
        });
        for (index, sums) in sums.chunks(2 * self.channels).enumerate() {
            let (first, second) = sums.split_at(self.channels);
            combine(index / chunks, range(index).len() / self.channels, first, second);
        }
    }
}
