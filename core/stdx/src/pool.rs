//! Work on the threads that kernels run on.

use anyhow::{Context, Result, anyhow, ensure};
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use std::sync::Mutex;
use std::thread;

/// The most threads that a setting may ask for: more keep a machine busy with starting them.
pub const MOST_THREADS: u16 = 1024;

/// The variables that say how many threads there are; without them there is one a core. Rayon's own, an older name of it, and that
/// of Polars.
const THREADS: [&str; 3] = ["RAYON_NUM_THREADS", "RAYON_RS_NUM_CPUS", "POLARS_MAX_THREADS"];

/// Refuses a number of threads that a machine has no use for.
///
/// # Errors
/// When a variable asks for more than [`MOST_THREADS`].
pub fn check() -> Result<()> {
    for variable in THREADS {
        // A value that is no number is ignored, as by rayon.
        let asked = std::env::var(variable).ok().and_then(|asked| asked.parse::<usize>().ok());
        if let Some(asked) = asked {
            let most = MOST_THREADS;
            ensure!(
                asked <= most.into(),
                "{variable} is {asked}; expected at most {most}, or nothing for a thread a core"
            );
        }
    }
    Ok(())
}

/// Starts the threads of the pool. To be called before anything is computed: a library that finds no pool and cannot start
/// one panics.
///
/// # Errors
/// When the system allows too few threads.
pub fn start() -> Result<()> {
    let threads = ThreadPoolBuilder::new().build_global().map_err(said_once);
    threads
        .with_context(|| format!("starting the threads that kernels run on ({} says how many)", THREADS[0]))
}

/// A pool of its own of so many threads; 0 is one a core.
///
/// # Errors
/// When the system allows too few threads.
pub fn of(threads: usize) -> Result<ThreadPool> {
    ThreadPoolBuilder::new().num_threads(threads).build().map_err(said_once)
}

/// Starts so many threads, all at once, and ends them: libraries that start theirs later panic where they cannot.
///
/// # Errors
/// When the system allows too few threads.
pub fn try_threads(count: usize) -> Result<()> {
    let all_there = Mutex::new(());
    thread::scope(|scope| {
        // They stay until the last one is there.
        let _waiting = all_there.lock();
        for started in 0..count {
            let wait = || drop(all_there.lock());
            let thread = thread::Builder::new().spawn_scoped(scope, wait);
            thread.with_context(|| format!("starting thread {} of {count}", started + 1))?;
        }
        Ok(())
    })
}

/// The text of this error is that of its source, which a chain would repeat.
fn said_once(error: ThreadPoolBuildError) -> anyhow::Error {
    anyhow!("{error}")
}

/// Runs `body` on a thread of rayon's global pool.
///
/// A parallel loop called from another thread is handed over to the pool while the caller sleeps, which costs two switches of
/// threads, and a step has hundreds of such loops. Called from a thread of the pool it begins at once.
pub fn in_pool<R: Send>(body: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| body())
}
