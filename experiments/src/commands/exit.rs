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
