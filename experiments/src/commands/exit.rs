//! Exit codes.

use crate::system::interrupts;
use crate::usage::UsageError;
use univip_core::error::{Interrupted, RecipeError};

/// All is done.
pub const DONE: u8 = 0;

/// A run, a measurement or a file failed.
pub const FAILED: u8 = 1;

/// A command, a recipe or its data cannot be used.
pub const UNUSABLE: u8 = 2;

/// The exit code of a command that ended with this error.
pub fn code_of(error: &anyhow::Error) -> u8 {
    if error.is::<UsageError>() || error.is::<RecipeError>() {
        UNUSABLE
    } else if error.is::<Interrupted>() {
        interrupts::exit_code()
    } else {
        FAILED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::usage;
    use anyhow::{Context, anyhow};

    #[test]
    fn what_a_user_can_mend_has_the_code_of_a_misuse() {
        let recipe = RecipeError { origin: "a.toml".into(), key: "a.b".into(), problem: "no".into() };
        let said = usage("--row", "no such row".into());
        assert_eq!(said.to_string(), "command line: `--row`: no such row");
        for (error, code) in [
            (said, UNUSABLE),
            (recipe.into(), UNUSABLE),
            (Err::<(), _>(usage("--row", "none".into())).context("more").unwrap_err(), UNUSABLE),
            (Interrupted::Elsewhere.into(), 130),
            (anyhow!("a file is missing"), FAILED),
        ] {
            assert_eq!(code_of(&error), code, "{error:#}");
        }
    }
}
