//! Disturbances of a run, drawn from a seed.

use super::operations::Operation;
use std::fmt;
use std::time::Duration;

/// A disturbance of a process.
#[derive(Debug, Clone, Copy)]
pub enum Disturbance {
    /// SIGKILL after so long.
    KillAfter(Duration),
    /// A fault in a file operation.
    Fault(Fault),
}

/// A fault in a file operation, as `shim.c` takes it.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// The kind of fault.
    pub mode: &'static str,
    /// To the operation of that number, counted from 1.
    pub at: u64,
    /// And to each one after it; with `EINTR`, to every other one, since programs try again until it is over.
    pub every: bool,
    /// Writes do half of what they are asked for.
    pub short: bool,
}

/// A fault of an operation.
pub const MODES: [&str; 6] = ["kill", "torn", "powercut", "ENOSPC", "EIO", "EINTR"];

/// The name of a kill at any moment, beside those of [`MODES`].
pub const MOMENT: &str = "kill at a moment";

/// Workers and threads are drawn up to these.
pub const MOST_PARALLEL: (u64, u64) = (4, 3);

impl Disturbance {
    /// Its kind, for a table.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::KillAfter(_) => MOMENT,
            Self::Fault(fault) => fault.mode,
        }
    }
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillAfter(pause) => write!(f, "killed after {} ms", pause.as_millis()),
            Self::Fault(Fault { mode, at, every, short }) => {
                let (every, short) = (
                    if *every { " and all after it" } else { "" },
                    if *short { ", short writes" } else { "" },
                );
                write!(f, "{mode} at operation {at}{every}{short}")
            }
        }
    }
}

/// A stream of random numbers (SplitMix64), and what they are drawn from.
pub struct Draw {
    state: u64,
    drawn: usize,
    longest: Duration,
    operations: Vec<Operation>,
}

impl Draw {
    /// Draws for a run of that length with those file operations.
    pub fn new(seed: u64, longest: Duration, operations: Vec<Operation>) -> Self {
        Self { state: seed, drawn: 0, longest, operations }
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }

    /// The numbers of workers and threads.
    pub fn parallel(&mut self) -> (u64, u64) {
        (1 + self.below(MOST_PARALLEL.0), 1 + self.below(MOST_PARALLEL.1))
    }

    /// A disturbance. The kinds take turns, so that a short torture has them all; without faults there are kills alone.
    pub fn disturbance(&mut self, faults: bool) -> Disturbance {
        let turn = self.drawn % (1 + MODES.len());
        self.drawn += 1;
        if !faults || turn == 0 {
            let most = self.longest.as_millis() as u64;
            return Disturbance::KillAfter(Duration::from_millis(self.below(most)));
        }
        let mode = MODES[turn - 1];
        let at = self.operation();
        Disturbance::Fault(Fault { mode, at, every: self.below(3) == 0, short: self.below(3) == 0 })
    }

    /// The number of an operation, counted from 1.
    fn operation(&mut self) -> u64 {
        loop {
            let at = self.below(self.operations.len() as u64);
            let of_mirror = self.operations.get(at as usize).is_some_and(|operation| operation.of_mirror);
            if !of_mirror || self.below(MIRROR_SHARE) == 0 {
                return at + 1;
            }
        }
    }
}

/// One in so many of the operations on mirrors that are drawn is taken.
const MIRROR_SHARE: u64 = 10;
