//! Misuse of the command line.

use anyhow::Result;
use std::path::Path;

/// An argument that cannot be used as it is given.
#[derive(Debug, thiserror::Error)]
#[error("command line: `{argument}`: {problem}")]
pub struct UsageError {
    /// The argument or option.
    pub argument: String,
    /// The problem, the expected value and the remedy.
    pub problem: String,
}

/// A [`UsageError`] as an error of any kind.
pub fn usage(argument: &str, problem: String) -> anyhow::Error {
    UsageError { argument: argument.into(), problem }.into()
}

/// Refuses an input file that does not exist.
///
/// # Errors
/// A [`UsageError`] that names the option and the file.
pub fn needs_file(option: &str, path: &Path) -> Result<()> {
    let problem = match std::fs::metadata(path) {
        Ok(found) if !found.is_dir() => return Ok(()),
        Ok(_) => "is a directory, expected a file".to_string(),
        Err(error) => error.to_string(),
    };
    Err(usage(option, format!("{}: {problem}", path.display())))
}
