//! Misuse of the command line.

use anyhow::Result;
use std::path::Path;
use univip_core::error::RecipeError;

/// A command that cannot be used as it is given.
pub fn usage(key: &str, problem: String) -> anyhow::Error {
    RecipeError { origin: "command line".into(), key: key.into(), problem }.into()
}

/// Refuses an input file that is not there.
pub fn needs_file(flag: &str, path: &Path) -> Result<()> {
    let problem = match std::fs::metadata(path) {
        Ok(found) if !found.is_dir() => return Ok(()),
        Ok(_) => "is a directory, expected a file".to_string(),
        Err(error) => error.to_string(),
    };
    Err(usage(flag, format!("{}: {problem}", path.display())))
}
