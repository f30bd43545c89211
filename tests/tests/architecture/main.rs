//! The invariants of ARCHITECTURE.md that can be read off the manifests and the sources.

mod circles;
mod imports;
mod size;

use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use univip_core::registry::{Kind, Registry};
use univip_tests::workspace;

/// The crates of the engine.
const CORE: [&str; 4] = ["core", "core/stdx", "core/vision", "core/nn"];

/// The names in `[dependencies]` of a manifest.
fn dependencies(manifest: &Path) -> Result<BTreeSet<String>> {
    let text = fs::read_to_string(manifest).with_context(|| manifest.display().to_string())?;
    let manifest: toml::Table = text.parse()?;
    let table = manifest.get("dependencies").and_then(|table| table.as_table());
    Ok(table.map(|table| table.keys().cloned().collect()).unwrap_or_default())
}

/// The directories of plugins: `plugins/<kind>/<name>`.
fn plugin_directories() -> Result<Vec<PathBuf>> {
    let mut directories = Vec::new();
    for kind in fs::read_dir(workspace().join("plugins"))? {
        let kind = kind?.path();
        if !kind.is_dir() {
            continue;
        }
        for entry in fs::read_dir(kind)? {
            let path = entry?.path();
            if path.join("Cargo.toml").exists() {
                directories.push(path);
            }
        }
    }
    directories.sort();
    Ok(directories)
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, found)?;
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

#[test]
fn every_plugin_directory_is_linked() -> Result<()> {
    let registry = Registry::linked()?;
    let linked: BTreeSet<&str> = registry.all().iter().map(|plugin| plugin.crate_name).collect();
    let directories = plugin_directories()?;
    assert!(directories.len() >= 13);
    for directory in directories {
        let name = format!("univip-{}", directory.file_name().unwrap().to_string_lossy());
        assert!(
            linked.contains(name.as_str()),
            "{name} registers nothing in this binary: see plugins/linked.rs"
        );
    }
    Ok(())
}

#[test]
fn listings_are_sorted_by_kind_and_name() -> Result<()> {
    let registry = Registry::linked()?;
    let listed: Vec<_> = registry.all().iter().map(|plugin| (plugin.kind(), plugin.name)).collect();
    let mut sorted = listed.clone();
    sorted.sort();
    assert_eq!(listed, sorted);
    let all: usize = Kind::ALL.iter().map(|kind| registry.names(*kind).len()).sum();
    assert_eq!(all, listed.len());
    Ok(())
}

#[test]
fn arrows_point_only_where_the_architecture_says() -> Result<()> {
    let internal = |path: &str| -> Result<BTreeSet<String>> {
        let mut found = dependencies(&workspace().join(path).join("Cargo.toml"))?;
        // A manifest without code, for one set of features: `features.rs`.
        found.retain(|name| name.starts_with("univip-") && name != "univip-workspace-hack");
        Ok(found)
    };
    let only = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<BTreeSet<_>>();
    assert_eq!(internal("core/stdx")?, only(&[]));
    assert_eq!(internal("core/vision")?, only(&["univip-stdx"]));
    assert_eq!(internal("core/nn")?, only(&["univip-stdx", "univip-vision"]));
    assert_eq!(internal("core")?, only(&["univip-nn", "univip-stdx", "univip-vision"]));
    assert_eq!(internal("experiments/run-format")?, only(&[]));
    assert_eq!(internal("reports")?, only(&["univip-run-format", "univip-stdx"]));
    assert_eq!(internal("xtask")?, only(&[]));
    assert_eq!(internal("experiments")?, only(&["univip-core", "univip-plugins", "univip-run-format"]));
    for directory in plugin_directories()? {
        let found = internal(&directory.strip_prefix(workspace())?.to_string_lossy())?;
        assert_eq!(found, only(&["univip-core"]), "{}", directory.display());
    }
    Ok(())
}

#[test]
fn heavy_libraries_stay_where_they_belong() -> Result<()> {
    let owners = [("polars", "reports"), ("tensorboard-rs", "experiments"), ("indicatif", "experiments")];
    let mut crates: Vec<PathBuf> = CORE
        .into_iter()
        .chain(["experiments", "experiments/run-format", "reports", "tests", "xtask"])
        .map(|name| workspace().join(name))
        .collect();
    crates.extend(plugin_directories()?);
    for (library, owner) in owners {
        for directory in &crates {
            let uses = dependencies(&directory.join("Cargo.toml"))?.contains(library);
            assert_eq!(uses, directory.ends_with(owner), "{library} in {}", directory.display());
        }
    }
    Ok(())
}

#[test]
fn core_names_no_plugin_and_prints_nothing() -> Result<()> {
    let mut files = Vec::new();
    for directory in CORE {
        sources(&workspace().join(directory).join("src"), &mut files)?;
    }
    for file in files {
        let text = fs::read_to_string(&file)?;
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for macro_name in ["println!", "eprintln!", "print!(", "dbg!", "todo!", "unimplemented!"] {
            assert!(!code.contains(macro_name), "{} uses {macro_name}", file.display());
        }
        for directory in plugin_directories()? {
            let name =
                format!("univip_{}", directory.file_name().unwrap().to_string_lossy().replace('-', "_"));
            assert!(!code.contains(&name), "{} names {name}", file.display());
        }
    }
    Ok(())
}

#[test]
fn versions_stand_only_in_the_workspace_table() -> Result<()> {
    let mut manifests: Vec<PathBuf> = plugin_directories()?;
    manifests.extend(
        CORE.into_iter()
            .chain(["experiments", "experiments/run-format", "reports", "tests", "xtask"])
            .map(|name| workspace().join(name)),
    );
    for directory in manifests {
        let text = fs::read_to_string(directory.join("Cargo.toml"))?;
        let manifest: toml::Table = text.parse()?;
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(table) = manifest.get(section).and_then(|table| table.as_table()) else { continue };
            for (name, value) in table {
                let inherits = value.get("workspace").and_then(|flag| flag.as_bool()) == Some(true);
                assert!(inherits, "{}: {name} has a version of its own", directory.display());
            }
        }
    }
    Ok(())
}

#[test]
fn an_unknown_plugin_is_answered_with_what_may_have_been_meant() -> Result<()> {
    let registry = Registry::linked()?;
    let Err(error) = registry.get(Kind::Loss, "instanse", "my.toml", "losses.use") else {
        panic!("`instanse` is no loss")
    };
    let expected = "my.toml: `losses.use`: unknown loss `instanse`; did you mean `instance`? Known: ";
    assert!(error.to_string().starts_with(expected), "{error}");
    Ok(())
}
