//! Lists the recipes and scales, which the binary embeds, and notes the git commit that it is built from.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let mut files = Vec::new();
    for folder in ["recipes", "scales"] {
        collect(Path::new(folder), &mut files)?;
    }
    files.sort();
    let root = env::current_dir()?;
    let mut list = String::from("&[\n");
    for file in files {
        let (name, path) = (file.display().to_string(), root.join(&file).display().to_string());
        // Writing into a string cannot fail.
        let _ = writeln!(list, "    ({name:?}, include_str!({path:?})),");
    }
    list.push_str("]\n");
    let out = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    fs::write(out.join("embedded.rs"), list)?;
    note_commit(&root);
    Ok(())
}

/// Every TOML file below a folder. A new file changes the folder, which cargo watches.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|end| end == "toml") {
            files.push(path);
        }
    }
    Ok(())
}

/// The parts of the workspace that the binary is built from, beside the recipes and scales.
const SOURCES: [&str; 8] = [
    "Cargo.toml",
    "Cargo.lock",
    "core",
    "plugins",
    "experiments/Cargo.toml",
    "experiments/run-format",
    "experiments/src",
    "experiments/vendor",
];

/// Hands the commit to the crate, and whether its sources were changed since. The binary is built again when its sources
/// change and not at every commit: the commit is that of the build. Without git, or outside of a checkout of this project,
/// nothing is known, and nothing noted.
fn note_commit(experiments: &Path) {
    let Some(workspace) = experiments.parent() else { return };
    for source in SOURCES {
        // A path that does not exist would have the script run at each build.
        if workspace.join(source).exists() {
            println!("cargo::rerun-if-changed={}", workspace.join(source).display());
        }
    }
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(workspace).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    // A copy of the sources may lie in someone else's repository.
    let root = git(&["rev-parse", "--show-toplevel"]).and_then(|root| fs::canonicalize(root).ok());
    if root.is_none() || root != fs::canonicalize(workspace).ok() {
        return;
    }
    let embedded = ["experiments/recipes", "experiments/scales"];
    let status = git(&[&["status", "--porcelain", "--"], &SOURCES[..], &embedded].concat());
    if let (Some(commit), Some(status)) = (git(&["rev-parse", "HEAD"]), status) {
        // Not UNIVIP_...: cargo hands these on to what it runs, where that prefix is a setting's.
        println!("cargo::rustc-env=BUILD_COMMIT={commit}");
        println!("cargo::rustc-env=BUILD_DIRTY={}", !status.is_empty());
    }
}
