//! Builds and runs the workspace's own commands.

use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
#[cfg(unix)]
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

mod signals;

/// The exit code for a command line or a recipe that cannot be used.
pub const USAGE: u8 = 2;

/// Builds the workspace's binaries. All packages at once, as the tests do: then both share what is compiled.
pub fn build() -> Result<()> {
    cargo(&["--bins"])
}

/// Builds an example.
pub fn build_example(name: &str) -> Result<()> {
    cargo(&["--example", name])
}

/// The cargo that runs this program, or else the one of the path.
pub fn cargo_program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn cargo(what: &[&str]) -> Result<()> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let status = Command::new(cargo_program())
        .args(["build", "--release", "--workspace", "--manifest-path", manifest])
        .args(what)
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "the workspace does not build (see above)");
    Ok(())
}

/// A built program, by its path from this program's directory.
pub fn beside(name: impl AsRef<Path>) -> Result<PathBuf> {
    Ok(std::env::current_exe().context("finding the built commands")?.with_file_name(name.as_ref()))
}

/// Runs a built command with standard streams passed through; its exit code. What asks this process to stop is the command's
/// to answer.
pub fn run(name: &str, arguments: &[String]) -> Result<u8> {
    // Binaries of one workspace lie side by side.
    let program = beside(name)?;
    let status = signals::outlived(Command::new(&program).args(arguments));
    Ok(exit_code(status.with_context(|| format!("starting {}", program.display()))?))
}

/// The code of a process; of one that a signal ended, what a shell says.
fn exit_code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    let code = status.code().or_else(|| Some(128 + status.signal()?));
    #[cfg(not(unix))]
    let code = status.code();
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::sync::Once;

    /// Takes back what tests that run in the background, or under `nohup`, were started to ignore: `sh` cannot.
    fn mind_signals() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
                // SAFETY: the default action is no function of ours.
                unsafe { libc::signal(signal, libc::SIG_DFL) };
            }
        });
    }

    #[test]
    fn a_command_that_a_signal_ended_has_the_code_that_a_shell_gives_it() {
        mind_signals();
        for (script, expected) in
            [("exit 0", 0), ("exit 2", 2), ("kill -INT $$", 130), ("kill -KILL $$", 137)]
        {
            let status = Command::new("sh").args(["-c", script]).status().unwrap();
            assert_eq!(exit_code(status), expected, "{script}");
        }
    }

    #[test]
    fn a_signal_ends_the_command_and_not_this_process() {
        mind_signals();
        // Ctrl-C reaches both. Others are sent to this process alone, which hands them on.
        for (script, expected) in [
            ("kill -INT $PPID; kill -INT $$; exit 0", 130),
            ("trap 'exit 9' TERM; kill -TERM $PPID; while :; do sleep 0.01; done", 9),
            ("kill -TERM $PPID; while :; do sleep 0.01; done", 143),
            ("kill -HUP $PPID; while :; do sleep 0.01; done", 129),
        ] {
            let status = signals::outlived(Command::new("sh").args(["-c", script])).unwrap();
            assert_eq!(exit_code(status), expected, "{script}");
        }
    }
}
