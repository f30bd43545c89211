//! Replicas on threads of their own, and batches that they have parts of.

use candle_core::Tensor;
use std::ops::Range;
use std::thread;
use std::time::Duration;
use univip_nn::Participant;

/// Far longer than any test waits where nothing is wrong.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `body` as each of `count` participants, on a thread of its own; what they return, by rank.
pub fn together<R: Send>(count: usize, body: impl Fn(usize, Participant) -> R + Sync) -> Vec<R> {
    let body = &body;
    thread::scope(|scope| {
        let participants = Participant::of_one_process(count, PATIENCE).into_iter().enumerate();
        let spawn = |(rank, participant)| scope.spawn(move || body(rank, participant));
        let threads: Vec<_> = participants.map(spawn).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// A batch of `groups` views, and how many images of each view every participant has.
#[derive(Clone, Copy)]
pub struct Shares<'a> {
    pub groups: usize,
    pub images: &'a [usize],
}

impl Shares<'_> {
    /// A participant's part of the batch.
    pub fn part(&self, rank: usize, batch: &Tensor) -> Tensor {
        let Range { start, end } = self.range(rank);
        let views = batch.dims()[0] / self.groups;
        let narrow = |view| batch.narrow(0, view * views + start, end - start).unwrap();
        Tensor::cat(&(0..self.groups).map(narrow).collect::<Vec<_>>(), 0).unwrap()
    }

    /// The batch of all parts.
    pub fn join(&self, parts: &[Tensor]) -> Tensor {
        let of_view = |view| {
            let views = parts.iter().zip(self.images);
            views.map(move |(part, images)| part.narrow(0, view * images, *images).unwrap())
        };
        Tensor::cat(&(0..self.groups).flat_map(of_view).collect::<Vec<_>>(), 0).unwrap()
    }

    fn range(&self, rank: usize) -> Range<usize> {
        let start = self.images[..rank].iter().sum();
        start..start + self.images[rank]
    }
}
