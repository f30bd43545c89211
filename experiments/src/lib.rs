//! The `univip` command as a library, so that a binary with plugins of one's own is three lines:
//!
//! ```ignore
//! use {my_loss as _, univip_plugins as _};
//! fn main() -> std::process::ExitCode { univip_experiments::main() }
//! ```
//!
//! Rooms, each of which uses only those before it: `output`, `figures`, `usage` and `stored`; `system` (the machine); `observers` (what
//! watches a run); `runs` (run directories, their data, one run after another); `plan` (what an ablation will run); `boxes`,
//! `data_check` and `export` (the work of single commands); `commands` (the command line).

// A closed pipe would make them panic, and names within could steer a terminal: `output` has what to call.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod boxes;
mod commands;
mod data_check;
mod export;
mod figures;
mod observers;
mod output;
mod plan;
mod runs;
mod stored;
mod system;
mod usage;

pub use boxes::{Imported, import_boxes};
pub use plan::Library;
pub use system::device;
pub use system::process::prepare_process;

use commands::exit;
use std::process::ExitCode;
use system::process;

/// Runs the command line.
pub fn main() -> ExitCode {
    prepare_process();
    process::say_panics_in_one_line();
    let asked = match commands::parse(std::env::args_os().collect()) {
        Ok(asked) => asked,
        Err(error) => {
            // If nobody listens there is nothing left to do.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(exit::UNUSABLE));
        }
    };
    match commands::run(asked.command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::say(format_args!("error: {error:#}"));
            ExitCode::from(exit::code_of(&error))
        }
    }
}
