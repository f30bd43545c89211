//! Work on the threads that kernels run on.

/// Runs `body` on a thread of rayon's global pool.
///
/// A parallel loop called from another thread is handed over to the pool while the caller sleeps, which costs two switches of
/// threads, and a step has hundreds of such loops. Called from a thread of the pool it begins at once.
pub fn in_pool<R: Send>(body: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| body())
}
