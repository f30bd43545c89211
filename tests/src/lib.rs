//! Shared by the cross-crate tests.

pub mod steps;

use std::path::{Path, PathBuf};
use univip_plugins as _;

/// The workspace's root.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
