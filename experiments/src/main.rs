//! `univip` with the project's own plugins.

use std::process::ExitCode;
use univip_plugins as _;

fn main() -> ExitCode {
    univip_experiments::main()
}
