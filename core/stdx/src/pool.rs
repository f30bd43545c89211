//! Work on the threads that kernels run on.

use anyhow::{Context, Result, anyhow, ensure};

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
        // What is no number rayon passes over, too.
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
    // The text of this error is that of its source, which a chain would repeat.
    let threads = rayon::ThreadPoolBuilder::new().build_global().map_err(|error| anyhow!("{error}"));
    threads
        .with_context(|| format!("starting the threads that kernels run on ({} says how many)", THREADS[0]))
}

/// Runs `body` on a thread of rayon's global pool.
///
/// A parallel loop called from another thread is handed over to the pool while the caller sleeps, which costs two switches of
/// threads, and a step has hundreds of such loops. Called from a thread of the pool it begins at once.
pub fn in_pool<R: Send>(body: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| body())
}
