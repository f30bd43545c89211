//! `univip` with a plugin of one's own.
use {my_loss as _, univip_plugins as _};

fn main() -> std::process::ExitCode {
    univip_experiments::main()
}
