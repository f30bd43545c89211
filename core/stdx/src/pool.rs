//! Work on the threads that kernels run on.

use anyhow::{Context, Result, ensure};

/// The variable that says how many threads there are; without it there is one a core.
pub const THREADS: &str = "RAYON_NUM_THREADS";

/// More threads than this keep a machine busy with starting them.
const MOST: usize = 1024;

/// Starts the threads of the pool. To be called before anything is computed: a library that finds no pool and cannot start
/// one panics.
///
/// # Errors
/// When the system allows too few threads, or [`THREADS`] asks for too many.
pub fn start() -> Result<()> {
    let asked = std::env::var(THREADS).ok().and_then(|asked| asked.trim().parse::<usize>().ok());
    ensure!(
        asked.is_none_or(|asked| asked <= MOST),
        "{THREADS} is {}; expected at most {MOST}, or nothing for a thread a core",
        asked.unwrap_or_default()
    );
    let threads = rayon::ThreadPoolBuilder::new().build_global();
    threads.with_context(|| format!("starting the threads that kernels run on ({THREADS} says how many)"))
}

/// Runs `body` on a thread of rayon's global pool.
///
/// A parallel loop called from another thread is handed over to the pool while the caller sleeps, which costs two switches of
/// threads, and a step has hundreds of such loops. Called from a thread of the pool it begins at once.
pub fn in_pool<R: Send>(body: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| body())
}
