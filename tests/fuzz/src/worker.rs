//! The process that reads: one target, in a process of its own, so that whatever an input does to it is a finding and not the
//! end of the others.

use crate::memory::Watch;
use crate::mutate::mutate;
use crate::targets::{Opened, Target};
use anyhow::{Context, Result, anyhow, ensure};
use serde::{Deserialize, Serialize};
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use univip_core::seed::stream;

/// The job of a worker.
pub struct Work<'a> {
    pub target: &'a Target,
    /// Empty, for the target's own files.
    pub directory: &'a Path,
    pub seed: u64,
    /// Of the processor: what a busy machine takes away is no loss.
    pub time: Duration,
    /// This input alone.
    pub only: Option<&'a PathBuf>,
}

/// The outcome of the job.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Summary {
    pub inputs: u64,
    /// Of them, those that were read to the end without an error.
    pub accepted: u64,
    /// The most memory that an input took beyond the target's allowance for its length.
    pub most_bytes: usize,
    /// The most processor time that an input took.
    pub longest: f64,
    /// The processor time of all of it.
    pub seconds: f64,
    /// The problem with the last input, the one in the target's place.
    pub finding: Option<String>,
}

/// The most processor time of one input.
const SECONDS: f64 = 2.0;

/// The process is ended when an input takes so much processor time, on any machine.
const ENDLESS: f64 = 30.0;

/// Reads on a thread with the stack that threads have by default, wherever this process was started.
pub fn work(work: &Work<'_>) -> Result<Summary> {
    const STACK: usize = 2 << 20;
    std::thread::spawn(end_endless);
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().stack_size(STACK);
        let reader = reader.spawn_scoped(scope, || read_all(work))?;
        reader.join().map_err(|_| anyhow!("the fuzzer panicked"))?
    })
}

fn read_all(work: &Work<'_>) -> Result<Summary> {
    panic::set_hook(Box::new(|info| {
        *PANICKED.lock().unwrap_or_else(|lock| lock.into_inner()) = info.to_string()
    }));
    let (mut opened, seeds) = work.target.open(work.directory)?;
    let mut summary = Summary::default();
    if let Some(only) = work.only {
        let input = fs::read(only).with_context(|| format!("reading {}", only.display()))?;
        summary.read(work, &mut opened, &input)?;
        summary.seconds = processor_time();
        return Ok(summary);
    }
    // Memory that is allocated once (a registry, a pool of threads) belongs to no input.
    Summary::default().read(work, &mut opened, &seeds[0])?;
    for seed in &seeds {
        summary.read(work, &mut opened, seed)?;
    }
    ensure!(
        summary.finding.is_some() || summary.accepted > 0,
        "{}: no seed is read without an error",
        work.target.name
    );
    let begun = processor_time();
    while summary.finding.is_none() && processor_time() - begun < work.time.as_secs_f64() {
        let mut random = stream(work.seed, work.target.name, &[summary.inputs]);
        let input = mutate(work.target.dialect, &seeds, &mut random);
        summary.read(work, &mut opened, &input)?;
    }
    summary.seconds = processor_time() - begun;
    Ok(summary)
}

/// The processor time at which the input that is read was begun, as bits.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// Ends the process when an input is not read to its end.
fn end_endless() {
    loop {
        std::thread::sleep(Duration::from_millis(100));
        if processor_time() - f64::from_bits(BEGUN.load(Relaxed)) > ENDLESS {
            eprintln!("was still read after {ENDLESS} s of processor time");
            std::process::exit(1);
        }
    }
}

/// The message of the last panic, and its location.
static PANICKED: Mutex<String> = Mutex::new(String::new());

impl Summary {
    fn read(&mut self, work: &Work<'_>, opened: &mut Opened, input: &[u8]) -> Result<()> {
        if self.finding.is_some() {
            return Ok(());
        }
        let path = work.directory.join(work.target.place);
        fs::write(&path, input).with_context(|| format!("writing {}", path.display()))?;
        let (watch, before) = (Watch::start(), processor_time());
        BEGUN.store(before.to_bits(), Relaxed);
        let read = panic::catch_unwind(AssertUnwindSafe(|| (opened.read)(&path, input)));
        let (most, seconds) = (watch.most(), processor_time() - before);
        let allowed = work.target.bound.of(input.len());
        self.inputs += 1;
        self.accepted += u64::from(matches!(read, Ok(Ok(()))));
        self.most_bytes = self.most_bytes.max(most);
        self.longest = self.longest.max(seconds);
        self.finding = match read {
            Err(_) => Some(PANICKED.lock().unwrap_or_else(|lock| lock.into_inner()).replace('\n', " ")),
            _ if most > allowed => Some(format!(
                "took {most} bytes of memory for an input of {}; allowed are {allowed}",
                input.len()
            )),
            _ if seconds > SECONDS => {
                Some(format!("took {seconds:.1} s of processor time; allowed are {SECONDS}"))
            }
            // A message is escaped and cut where it is printed, whatever is in it.
            Ok(_) => None,
        };
        Ok(())
    }
}

/// Seconds of all threads of this process.
pub fn processor_time() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes into `time` alone.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}
