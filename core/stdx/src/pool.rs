//! Work on the threads that kernels run on.

use anyhow::{Context, Result, ensure};

/// The most threads that a setting may ask for: more keep a machine busy with starting them.
pub const MOST_THREADS: u16 = 1024;

/// The variable that says how many threads there are; without it there is one a core.
const THREADS: &str = "RAYON_NUM_THREADS";

/// Starts the threads of the pool. To be called before anything is computed: a library that finds no pool and cannot start
/// one panics.
///
/// # Errors
/// When the system allows too few threads, or `RAYON_NUM_THREADS` asks for too many.
pub fn start() -> Result<()> {
    // What is no number rayon passes over, too.
    let asked = std::env::var(THREADS).ok().and_then(|asked| asked.parse::<usize>().ok());
    if let Some(asked) = asked {
        let most = MOST_THREADS;
        ensure!(
            asked <= most.into(),
            "{THREADS} is {asked}; expected at most {most}, or nothing for a thread a core"
        );
    }
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
