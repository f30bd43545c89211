//! The settings that a training process gives to the libraries below it.

use crate::output;
use anyhow::{Context, Result};
use std::panic::{self, PanicHookInfo};
use std::thread;
use univip_core::image_file;
use univip_core::pool;

/// Lets idle threads rest and freed memory stay. To be called first in `main`, before any thread is started.
pub fn prepare_process() {
    rest_idle_threads();
    keep_freed_memory();
}

/// Starts the threads that kernels run on, and makes sure of those that libraries start later: they panic where they
/// cannot.
///
/// # Errors
/// When the system allows too few threads, or a variable asks for too many.
pub fn start_threads() -> Result<()> {
    /// Those that watch: signals, progress, tensorboard, drawing batches.
    const WATCHING: usize = 8;
    pool::check()?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    // candle's pool and the makers of batches or proposals have one per core.
    let needed = 2 * cores + WATCHING;
    pool::start().and_then(|()| pool::try_threads(needed)).with_context(|| {
        format!(
            "this process may not start the {} threads that it needs: raise the limit (ulimit -u, or that of the container)",
            needed + cores
        )
    })
}

/// candle keeps a pool of its own whose idle threads spin, and would take the cores from the kernels.
fn rest_idle_threads() {
    const LIMIT: &str = "CANDLE_BARRIER_POOL_SPIN_LIMIT";
    if std::env::var_os(LIMIT).is_none() {
        // SAFETY: nothing has started a thread yet that could read the environment meanwhile.
        unsafe { std::env::set_var(LIMIT, "1") };
    }
}

/// glibc gives large blocks back to the system when they are freed, and the next step pays for fresh pages: half of
/// the time of a detector's training. Other allocators decide for themselves.
fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// The most that glibc takes: larger blocks are mapped and given back as ever.
        const LARGEST_KEPT: libc::c_int = 32 << 20;
        // SAFETY: both set a number in the allocator, and where it refuses one nothing is changed.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST_KEPT);
            libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        }
    }
}

/// Has a panic said in one line, as any other message. With `RUST_BACKTRACE` it is said as Rust says it. One of an image's
/// decoder is no mistake of the program: whoever reads the image is told.
pub fn say_panics_in_one_line() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| match std::env::var_os("RUST_BACKTRACE") {
        Some(_) => usual(panic),
        None if image_file::is_decoding() => {}
        None => output::say(panic_line(panic)),
    }));
}

fn panic_line(panic: &PanicHookInfo<'_>) -> String {
    let place =
        panic.location().map_or(String::new(), |place| format!(" at {}:{}", place.file(), place.line()));
    let message = panic.payload_as_str().unwrap_or("it says nothing");
    format!("panic{place}: {message} (a mistake of the program; RUST_BACKTRACE=1 shows the way to it)")
}
