//! Every build of a part of the workspace uses the features of the whole, so that `cargo test`, `cargo test -p ONE` and
//! `cargo xtask ablate` share what is compiled of other people's crates.

use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use univip_tests::workspace;

/// The sets of features that each crate from the registry is compiled with; more than one where it serves the host and the
/// target, or two versions are in use.
type Features = BTreeMap<String, BTreeSet<String>>;

fn cargo(arguments: &[&str]) -> Result<String> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(workspace())
        .args(arguments)
        .args(["--offline", "--locked"])
        .output()
        .context("starting cargo")?;
    ensure!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn features(selection: &[&str]) -> Result<Features> {
    let tree = ["tree", "--prefix", "none", "--no-dedupe", "--format", "{p}|{f}"];
    let mut features = Features::new();
    for line in cargo(&[&tree[..], selection].concat())?.lines() {
        let Some((package, set)) = line.split_once('|') else { continue };
        // A path behind the version is a crate of this workspace.
        if !package.contains("(/") {
            let name = package.trim_end_matches(" (proc-macro)").to_string();
            features.entry(name).or_default().insert(set.to_string());
        }
    }
    Ok(features)
}

#[test]
fn a_build_of_one_crate_uses_the_features_of_the_workspace() -> Result<()> {
    let whole = features(&["--workspace"])?;
    let metadata = cargo(&["metadata", "--no-deps", "--format-version", "1"])?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists packages")?;
    let mut differing = Vec::new();
    for package in packages {
        let name = package["name"].as_str().context("a package has a name")?;
        // `cargo test` needs dev-dependencies, `cargo build` does not.
        for edges in ["normal,build,dev", "normal,build"] {
            for (library, sets) in features(&["-p", name, "-e", edges])? {
                let known = whole.get(&library);
                for set in sets.iter().filter(|set| !known.is_some_and(|known| known.contains(*set))) {
                    differing.push(format!("{library} in {name} ({edges}) with [{set}]"));
                }
            }
        }
    }
    ensure!(
        differing.is_empty(),
        "compiled again for a part of the workspace; run `cargo hakari generate` (cargo install cargo-hakari):\n{}",
        differing.join("\n")
    );
    Ok(())
}
