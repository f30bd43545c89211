//! The source that this program was built from.

use univip_run_format::Build;

/// The version, and the git commit where the build script found one.
pub fn here() -> Build {
    let commit = option_env!("BUILD_COMMIT").map(String::from);
    let dirty = option_env!("BUILD_DIRTY").map(|dirty| dirty == "true");
    Build { version: env!("CARGO_PKG_VERSION").into(), commit, dirty }
}
