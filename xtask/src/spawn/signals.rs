//! Signals while a command runs.

use std::io::Result;
use std::process::{Command, ExitStatus};

/// Runs a command to its end. Ctrl-C, which the terminal sends to both, is left to the command; SIGTERM and SIGHUP, which a system
/// sends to this process alone, are handed on to it.
pub fn outlived(command: &mut Command) -> Result<ExitStatus> {
    #[cfg(unix)]
    unix::listen();
    let mut child = command.spawn()?;
    #[cfg(unix)]
    unix::begin(child.id() as libc::pid_t);
    let status = child.wait();
    #[cfg(unix)]
    unix::end();
    status
}

#[cfg(unix)]
mod unix {
    use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

    /// The command that runs; 0 when none does.
    static CHILD: AtomicI32 = AtomicI32::new(0);

    /// The signal that no command has been handed yet; 0 when there is none. One that comes before the command's number is known
    /// waits here: whoever sees both, handler or [`begin`], hands it on.
    static WAITING: AtomicI32 = AtomicI32::new(0);

    /// A command has begun.
    pub fn begin(command: libc::pid_t) {
        CHILD.store(command, SeqCst);
        hand_on_waiting();
    }

    /// The command has ended.
    pub fn end() {
        CHILD.store(0, SeqCst);
    }

    fn hand_on_waiting() {
        let child = CHILD.load(SeqCst);
        if child > 0 {
            let signal = WAITING.swap(0, SeqCst);
            if signal > 0 {
                // SAFETY: `kill` may be called from a handler.
                unsafe { libc::kill(child, signal) };
            }
        }
    }

    /// Signals are caught by handlers, which end with `exec`, and not ignored, which the command would inherit. A signal that
    /// this process was started to ignore, as by `nohup`, stays ignored.
    pub fn listen() {
        extern "C" fn nothing(_: libc::c_int) {}
        extern "C" fn hand_on(signal: libc::c_int) {
            WAITING.store(signal, SeqCst);
            hand_on_waiting();
        }
        let handlers =
            [(libc::SIGINT, nothing as extern "C" fn(_)), (libc::SIGTERM, hand_on), (libc::SIGHUP, hand_on)];
        for (signal, handler) in handlers {
            // SAFETY: both handlers touch only atomics, so they may run at any moment.
            unsafe {
                if libc::signal(signal, handler as *const () as libc::sighandler_t) == libc::SIG_IGN {
                    libc::signal(signal, libc::SIG_IGN);
                }
            }
        }
    }
}
