//! `cargo xtask docs`: what in `docs/` is made by programs: the reference of every key of a recipe, and what was measured
//! ([`measured`]).
//!
//! Keys, types and meanings come from the structs that serde reads, found by their documentation (`[optimizer]`,
//! `[loss.instance]`); defaults from `univip recipe keys`; the values of `base.toml` with the sources beside them from that
//! file. Nothing is written by hand twice.

mod base;
mod measured;
mod page;
mod source;

use crate::spawn;
use crate::usage::Usage;
use anyhow::{Context, Result, ensure};
use page::Defaults;
use source::Source;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The options of the documents.
#[derive(clap::Args)]
pub struct Options {
    /// Write nothing, and fail if a page or picture is not current
    #[arg(long)]
    pub check: bool,
}

/// Writes `docs/recipe-keys.md` and the measured tables and pictures of the other pages, or checks them.
///
/// # Errors
/// When the workspace does not build, a file cannot be read or written, or, of a check, one is not current.
pub fn docs(options: &Options) -> Result<()> {
    let workspace = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    spawn::build()?;
    let docs = workspace.join("docs");
    let keys = docs.join("recipe-keys.md");
    let reference = reference(workspace)?.into_bytes();
    let mut outdated = measured::outdated(&docs)?;
    if fs::read(&keys).ok().as_ref() != Some(&reference) {
        outdated.insert(keys, reference);
    }
    let names: Vec<String> = outdated
        .keys()
        .map(|path| path.strip_prefix(workspace).unwrap_or(path).display().to_string())
        .collect();
    if options.check {
        let names = names.join(", ");
        ensure!(outdated.is_empty(), Usage(format!("not current: {names}; run `cargo xtask docs`")));
        return Ok(());
    }
    for (path, bytes) in &outdated {
        fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))?;
    }
    println!(
        "{}",
        if names.is_empty() { "all is current".into() } else { format!("written: {}", names.join(", ")) }
    );
    Ok(())
}

/// The text of `docs/recipe-keys.md`.
fn reference(workspace: &Path) -> Result<String> {
    let output = Command::new(spawn::beside("univip")?)
        .args(["recipe", "keys"])
        .output()
        .context("starting univip")?;
    ensure!(output.status.success(), "univip recipe keys: {}", String::from_utf8_lossy(&output.stderr));
    let defaults = Defaults::read(&String::from_utf8(output.stdout)?)?;
    let base = workspace.join("experiments/recipes/base.toml");
    let base =
        base::stated(&fs::read_to_string(&base).with_context(|| format!("reading {}", base.display()))?);
    page::page(&Source::read(&folders(workspace)?)?, &defaults, &base)
}

/// The sources of the engine and of every plugin.
fn folders(workspace: &Path) -> Result<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> =
        ["core/src", "core/nn/src", "core/vision/src"].map(|path| workspace.join(path)).into();
    let plugins = workspace.join("plugins");
    let listing = || format!("listing {}", plugins.display());
    for kind in fs::read_dir(&plugins).with_context(listing)? {
        let kind = kind.with_context(listing)?.path();
        if !kind.is_dir() {
            continue;
        }
        for plugin in fs::read_dir(&kind).with_context(listing)? {
            let source = plugin.with_context(listing)?.path().join("src");
            if source.is_dir() {
                folders.push(source);
            }
        }
    }
    folders.sort();
    Ok(folders)
}
