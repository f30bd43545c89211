//! `cargo xtask docs`: the reference of every key of a recipe, made from what reads it.
//!
//! Keys, types and meanings come from the structs that serde reads, found by their documentation (`[optimizer]`,
//! `[loss.instance]`); defaults from `univip recipe keys`; the values of `base.toml` with the sources beside them from that
//! file. Nothing is written by hand twice.

mod base;
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

/// The options of the reference.
#[derive(clap::Args)]
pub struct Options {
    /// Write nothing, and fail if the page is not current
    #[arg(long)]
    pub check: bool,
}

/// Writes `docs/recipe-keys.md`, or checks it.
pub fn docs(options: &Options) -> Result<()> {
    let workspace = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    spawn::build()?;
    let output = Command::new(spawn::beside("univip")?)
        .args(["recipe", "keys"])
        .output()
        .context("starting univip")?;
    ensure!(output.status.success(), "univip recipe keys: {}", String::from_utf8_lossy(&output.stderr));
    let defaults = Defaults::read(&String::from_utf8(output.stdout)?)?;
    let base = workspace.join("experiments/recipes/base.toml");
    let base =
        base::stated(&fs::read_to_string(&base).with_context(|| format!("reading {}", base.display()))?);
    let text = page::page(&Source::read(&folders(workspace)?)?, &defaults, &base)?;
    let path = workspace.join("docs/recipe-keys.md");
    if options.check {
        let current = fs::read_to_string(&path).is_ok_and(|there| there == text);
        ensure!(current, Usage("docs/recipe-keys.md is not current: run `cargo xtask docs`".into()));
        return Ok(());
    }
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    println!("docs/recipe-keys.md: {} keys with a default", defaults.len());
    Ok(())
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
