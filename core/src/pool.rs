//! Work on the threads that kernels run on.

use anyhow::{Context, Result};

/// Starts the threads of the pool. To be called before anything is computed: a library that finds no pool and cannot start
/// one panics.
///
/// # Errors
/// When the system allows too few threads.
pub fn start() -> Result<()> {
    let threads = rayon::ThreadPoolBuilder::new().build_global();
    threads.context("starting the threads that kernels run on (RAYON_NUM_THREADS says how many)")
}

/// Runs `body` on a thread of rayon's global pool.
///
/// A parallel loop called from another thread is handed over to the pool while the caller sleeps, which costs two switches of
/// threads, and a step has hundreds of such loops. Called from a thread of the pool it begins at once.
pub fn in_pool<R: Send>(body: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| body())
}
