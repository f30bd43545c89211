//! The signals that ask a command to stop: Ctrl-C, the end of a job, a terminal that closes.

use crate::output;
use anyhow::Result;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// Set by the first of them: the work stops where it can go on later.
pub static STOP: AtomicBool = AtomicBool::new(false);

/// The number that a shell adds to a signal's.
const OF_SIGNAL: u8 = 128;
const INTERRUPT: u8 = 2;

/// The signal that came.
static SIGNAL: AtomicU8 = AtomicU8::new(INTERRUPT);

/// The exit code of a command that was asked to stop, as shells have it: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP.
pub fn exit_code() -> u8 {
    OF_SIGNAL + SIGNAL.load(Ordering::Relaxed)
}

/// True for the exit code of a command that was asked to stop.
pub fn is_of_a_signal(code: i32) -> bool {
    /// SIGHUP, SIGINT and SIGTERM.
    const SIGNALS: [u8; 3] = [1, INTERRUPT, 15];
    SIGNALS.iter().any(|signal| i32::from(OF_SIGNAL + signal) == code)
}

/// Has signals set [`STOP`], and says that the command stops after `unit` (`this step`); without one it says nothing. Ctrl-C again
/// ends it at once; a signal that a system sends may come twice and asks for nothing more.
///
/// # Errors
/// When the system has no room for the thread that listens.
pub fn listen(unit: Option<&'static str>) -> Result<()> {
    #[cfg(unix)]
    unix::listen(unit)?;
    #[cfg(not(unix))]
    ctrlc::set_handler(move || received(INTERRUPT, unit))?;
    Ok(())
}

fn received(signal: u8, unit: Option<&str>) {
    if !STOP.swap(true, Ordering::Relaxed) {
        SIGNAL.store(signal, Ordering::Relaxed);
        let hint = if signal == INTERRUPT { "; Ctrl-C again to leave at once" } else { "" };
        if let Some(unit) = unit {
            output::say(format_args!("stopping after {unit}{hint}"));
        }
    } else if signal == INTERRUPT {
        // Whatever is on disk is whole, as after any kill.
        std::process::exit((OF_SIGNAL + INTERRUPT).into());
    }
}

#[cfg(unix)]
mod unix {
    use anyhow::{Context, Result};
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    pub fn listen(unit: Option<&'static str>) -> Result<()> {
        let listening = || "listening for signals";
        let mut signals = Signals::new([SIGINT, SIGTERM]).with_context(listening)?;
        // `nohup` has it ignored: a run that is started with it survives its terminal.
        if !is_ignored(SIGHUP) {
            signals.add_signal(SIGHUP).with_context(listening)?;
        }
        let listen = move || {
            signals
                .forever()
                .filter_map(|signal| signal.try_into().ok())
                .for_each(|signal| super::received(signal, unit));
        };
        std::thread::Builder::new().name("signals".into()).spawn(listen).with_context(listening)?;
        Ok(())
    }

    fn is_ignored(signal: libc::c_int) -> bool {
        // SAFETY: all zeros is a value of this plain struct, and without a new action nothing is changed.
        unsafe {
            let mut now: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &mut now) == 0 && now.sa_sigaction == libc::SIG_IGN
        }
    }
}
