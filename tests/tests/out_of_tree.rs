//! A plugin crate outside the workspace, and one that `cargo xtask new-plugin` writes, both built and run for real.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use univip_tests::workspace;

/// A build directory of its own: cargo tells a workspace's packages by their place inside it, so that a copy
/// of the workspace would overwrite what is built here. Kept, since the next time it is quick.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or(workspace().join("target"), PathBuf::from).join("nested")
}

/// Links what was compiled of other people's crates into [`target`], where cargo then finds it: half of all there is to compile.
fn link_compiled_crates() -> Result<()> {
    if !link_all()? {
        // The crates there were compiled against other files.
        fs::remove_dir_all(target().join("release"))?;
        ensure!(link_all()?, "crates change while they are linked");
    }
    Ok(())
}

/// False where another file lies in the place of one, as [`link`].
fn link_all() -> Result<bool> {
    let of_this_test = std::env::current_exe()?;
    let release =
        of_this_test.parent().and_then(Path::parent).context("a test lies in target/release/deps")?;
    let theirs = registry_crates()?;
    for folder in ["deps", "build", ".fingerprint"] {
        let (from, to) = (release.join(folder), target().join("release").join(folder));
        fs::create_dir_all(&to)?;
        for entry in fs::read_dir(&from)? {
            let name = entry?.file_name();
            // serde_json-0123456789abcdef, libserde_json-0123456789abcdef.rlib
            let shown = name.to_string_lossy();
            let stem = shown.rsplit_once('-').map_or(&*shown, |(stem, _)| stem).replace('-', "_");
            let is_theirs =
                theirs.contains(&stem) || stem.strip_prefix("lib").is_some_and(|stem| theirs.contains(stem));
            if is_theirs && !link(&from.join(&name), &to.join(&name))? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Writes the workspace's profiles as a configuration for cargo: a crate that is compiled in another way is another crate.
fn profiles() -> Result<PathBuf> {
    let manifest: toml::Table = toml::from_str(&fs::read_to_string(workspace().join("Cargo.toml"))?)?;
    let profiles = manifest.get("profile").context("Cargo.toml states no profile")?;
    let path = target().join("profiles.toml");
    fs::write(&path, toml::to_string(&toml::Table::from_iter([("profile".into(), profiles.clone())]))?)?;
    Ok(path)
}

/// The crates of the workspace's `Cargo.lock` that are not its own, as Rust spells them.
fn registry_crates() -> Result<BTreeSet<String>> {
    let lock = fs::read_to_string(workspace().join("Cargo.lock"))?;
    let registry = lock.split("[[package]]").filter(|package| package.contains("\nsource = "));
    let name = |package: &str| package.split('"').nth(1).map(|name| name.replace('-', "_"));
    Ok(registry.filter_map(name).collect())
}

/// Links a file, or all of a folder; false where a file of the same name and of another time lies in the place of one.
fn link(from: &Path, to: &Path) -> Result<bool> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            if !link(&from.join(&name), &to.join(&name))? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    if !to.exists() {
        fs::hard_link(from, to).with_context(|| to.display().to_string())?;
    }
    // A link has its file's time.
    Ok(fs::metadata(from)?.modified()? == fs::metadata(to)?.modified()?)
}

fn cargo(directory: &Path, arguments: &[&str]) -> Result<Output> {
    static PREPARED: OnceLock<PathBuf> = OnceLock::new();
    let profiles = PREPARED
        .get_or_init(|| link_compiled_crates().and_then(|()| profiles()).expect("linking what is compiled"));
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(directory)
        .env("CARGO_TARGET_DIR", target())
        .arg("--config")
        .arg(profiles)
        .args(arguments)
        .output()
        .context("starting cargo")?;
    ensure!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Copies what cargo needs of the workspace.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        // The workspace's own runs and reports; a folder of sources may be called so, too.
        let made = from.join("Cargo.lock").exists() && ["runs", "out"].iter().any(|made| name == *made);
        if made || [".git", "target"].iter().any(|skipped| name == *skipped) {
            continue;
        }
        let (source, goal) = (entry.path(), to.join(&name));
        if source.is_dir() {
            copy(&source, &goal)?;
        } else {
            fs::copy(&source, &goal)?;
        }
    }
    Ok(())
}

#[test]
fn a_crate_outside_the_workspace_brings_its_own_loss() -> Result<()> {
    let crate_directory = workspace().join("tests/out-of-tree");
    // The same versions as the workspace's, so that nothing is compiled twice.
    let lock = crate_directory.join("Cargo.lock");
    fs::copy(workspace().join("Cargo.lock"), &lock)?;
    let main = fs::read_to_string(crate_directory.join("src/main.rs"))?;
    ensure!(main.lines().filter(|line| !line.starts_with("//") && !line.is_empty()).count() <= 4);

    let listing = text(&cargo(&crate_directory, &["run", "--release", "--quiet", "--", "plugins"])?);
    ensure!(listing.lines().any(|line| line.contains("alignment") && line.contains("my-loss")), "{listing}");
    ensure!(listing.lines().any(|line| line.contains("0.3.1")), "{listing}");

    let runs = tempfile::tempdir()?;
    let runs = runs.path().display().to_string();
    let run = ["run", "--release", "--quiet", "--", "ablate", "table7", "--row", "b", "--scale", "smoke"];
    let set = ["--set", "losses.use=[\"alignment\"]", "--runs", &runs];
    cargo(&crate_directory, &[&run[..], &set[..]].concat())?;
    Ok(())
}

#[test]
fn a_new_plugin_of_each_kind_compiles_passes_its_tests_and_runs() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let copied = directory.path().join("univip");
    copy(&workspace(), &copied)?;
    let kinds = [
        ("backbone", "new-backbone", "network.backbone=new-backbone"),
        ("head", "new-head", "head.projector.plugin=new-head"),
        ("loss", "new-loss", "losses.use=[\"new-loss\"]"),
        ("proposals", "new-proposals", "proposals.use=new-proposals"),
        ("views", "new-views", "views.use=new-views"),
        ("dataset", "new-dataset", "data.use=new-dataset"),
        ("evaluator", "new-evaluator", "evaluators.use=[\"new-evaluator\"]"),
    ];
    let mut tests = vec!["test".to_string(), "--release".into(), "--quiet".into()];
    for (kind, name, _) in kinds {
        cargo(&copied, &["xtask", "new-plugin", kind, name, "--workspace", "."])?;
        tests.extend(["-p".into(), format!("univip-{name}")]);
    }
    cargo(&copied, &tests.iter().map(String::as_str).collect::<Vec<_>>())?;
    let runs = directory.path().join("runs").display().to_string();
    for (_, _, set) in kinds {
        let run = ["run", "--release", "--quiet", "-p", "univip-experiments", "--"];
        let row = ["ablate", "table7", "--row", "e", "--scale", "smoke", "--set", set, "--runs", &runs];
        cargo(&copied, &[&run[..], &row[..]].concat())?;
    }
    Ok(())
}
