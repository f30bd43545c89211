//! Processes that this one starts to share its work.

use std::process::{Child, Command};

/// Has the process end when this one does, however that ends. Signals of a terminal reach this one alone: it passes them on.
pub fn ends_with_its_parent(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::process::CommandExt;
        let parent = std::process::id();
        command.process_group(0);
        // SAFETY: both functions may be called between fork and exec.
        unsafe {
            command.pre_exec(move || {
                if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                    return Err(std::io::Error::last_os_error());
                }
                // It may have ended before.
                match libc::getppid().cast_unsigned() == parent {
                    true => Ok(()),
                    false => Err(std::io::Error::other("the process that started it has ended")),
                }
            });
        }
    }
    // Elsewhere it shares the terminal, and so its signals.
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}

/// Asks it to stop where it can go on later.
pub fn ask_to_stop(child: &Child) {
    #[cfg(unix)]
    if let Ok(process) = libc::pid_t::try_from(child.id()) {
        // SAFETY: it sends a signal, and the process is not yet waited for: no other can have its number.
        unsafe { libc::kill(process, libc::SIGTERM) };
    }
    // Elsewhere Ctrl-C reaches all processes of a terminal.
    #[cfg(not(unix))]
    let _ = child;
}
