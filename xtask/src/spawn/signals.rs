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
    unix::CHILD.store(child.id() as libc::pid_t, std::sync::atomic::Ordering::Relaxed);
    let status = child.wait();
    #[cfg(unix)]
    unix::CHILD.store(0, std::sync::atomic::Ordering::Relaxed);
    status
}

#[cfg(unix)]
mod unix {
    use std::sync::atomic::{AtomicI32, Ordering};

    /// The command that runs; 0 when none does.
    pub static CHILD: AtomicI32 = AtomicI32::new(0);

    /// Signals are caught by handlers, which end with `exec`, and not ignored, which the command would inherit. A signal that
    /// this process was started to ignore, as by `nohup`, stays ignored.
    pub fn listen() {
        extern "C" fn nothing(_: libc::c_int) {}
        extern "C" fn hand_on(signal: libc::c_int) {
            let child = CHILD.load(Ordering::Relaxed);
            if child > 0 {
                // SAFETY: `kill` may be called from a handler.
                unsafe { libc::kill(child, signal) };
            }
        }
        let handlers =
            [(libc::SIGINT, nothing as extern "C" fn(_)), (libc::SIGTERM, hand_on), (libc::SIGHUP, hand_on)];
        for (signal, handler) in handlers {
            // SAFETY: both handlers touch only an atomic, so they may run at any moment.
            unsafe {
                if libc::signal(signal, handler as *const () as libc::sighandler_t) == libc::SIG_IGN {
                    libc::signal(signal, libc::SIG_IGN);
                }
            }
        }
    }
}
