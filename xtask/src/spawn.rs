//! Builds and runs the workspace's own commands.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

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

fn cargo(what: &[&str]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let status = Command::new(cargo)
        .args(["build", "--release", "--workspace", "--manifest-path", manifest])
        .args(what)
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "the workspace does not build (see above)");
    Ok(())
}

/// What was built, by its path from this program's directory.
pub fn beside(name: impl AsRef<Path>) -> Result<PathBuf> {
    Ok(std::env::current_exe().context("finding the built commands")?.with_file_name(name.as_ref()))
}

/// Runs a built command with standard streams passed through; its exit code.
pub fn run(name: &str, arguments: &[String]) -> Result<u8> {
    // Binaries of one workspace lie side by side.
    let program = beside(name)?;
    let status = Command::new(&program)
        .args(arguments)
        .status()
        .with_context(|| format!("starting {}", program.display()))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
