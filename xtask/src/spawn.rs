//! Runs another package of the workspace.

use anyhow::{Context, Result};
use std::process::Command;

/// The exit code for a command line or a recipe that cannot be used.
pub const USAGE: u8 = 2;

/// `cargo run --release` of `package`, with standard streams passed through; its exit code.
pub fn cargo_run(package: &str, arguments: &[String]) -> Result<u8> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let status = Command::new(cargo)
        .args(["run", "--quiet", "--release", "--manifest-path", manifest, "--package", package, "--"])
        .args(arguments)
        .status()
        .with_context(|| format!("starting cargo to run {package}"))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
