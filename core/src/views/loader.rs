//! Batches, prepared ahead by worker threads, in an order and with contents that no thread decides.

use crate::views::{Batch, BatchMaker, LoaderSettings};
use anyhow::{Context, Result, anyhow};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Makes batches ahead of their use.
pub struct Loader {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// The next batch that nobody has begun.
    begin: u64,
    /// The next batch to hand out.
    hand_out: u64,
    /// One past the last batch.
    end: u64,
    ready: BTreeMap<u64, Result<Batch>>,
}

impl Loader {
    /// Makes the batches `numbers`, in order.
    pub fn new(
        maker: Arc<BatchMaker>,
        numbers: std::ops::Range<u64>,
        settings: &LoaderSettings,
    ) -> Result<Self> {
        let state =
            State { begin: numbers.start, hand_out: numbers.start, end: numbers.end, ready: BTreeMap::new() };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let count = match settings.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        };
        let ahead = settings.ahead.max(1) as u64;
        let spawn = |worker| {
            let (maker, shared) = (maker.clone(), shared.clone());
            let name = format!("loader {worker}");
            std::thread::Builder::new().name(name).spawn(move || work(&maker, &shared, ahead))
        };
        let workers =
            (0..count).map(spawn).collect::<std::io::Result<_>>().context("starting loader threads")?;
        Ok(Self { shared, workers })
    }
}

impl Iterator for Loader {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut state = self.shared.lock();
        if state.hand_out >= state.end {
            return None;
        }
        let number = state.hand_out;
        loop {
            if let Some(batch) = state.ready.remove(&number) {
                state.hand_out += 1;
                self.shared.changed.notify_all();
                return Some(batch);
            }
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.begin = state.end;
        drop(state);
        self.shared.changed.notify_all();
        for worker in self.workers.drain(..) {
            // A worker reports its failures through the batches; there is nobody left to tell here.
            let _ = worker.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn work(maker: &BatchMaker, shared: &Shared, ahead: u64) {
    let mut state = shared.lock();
    loop {
        if state.begin >= state.end {
            return;
        }
        if state.begin >= state.hand_out + ahead {
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        let number = state.begin;
        state.begin += 1;
        drop(state);
        // A plugin that panics must stop the run with its message, not leave the trainer waiting.
        let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| maker.make(number)));
        let batch =
            made.unwrap_or_else(|_| Err(anyhow!("batch {number}: a data plugin panicked (see above)")));
        state = shared.lock();
        state.ready.insert(number, batch);
        shared.changed.notify_all();
    }
}
