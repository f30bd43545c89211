//! Writes a plugin crate that compiles, passes its tests and can be named in a recipe at once.

use crate::usage::Usage;
use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use std::fs;
use std::path::Path;
use toml_edit::{DocumentMut, InlineTable, value};

/// The kinds of plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A network from images to maps and features
    Backbone,
    /// A source of images
    Dataset,
    /// A way to measure a backbone
    Evaluator,
    /// A small network behind the backbone
    Head,
    /// A term of the total loss
    Loss,
    /// A way to propose boxes
    Proposals,
    /// A way to choose crops
    Views,
}

impl Kind {
    fn template(self) -> &'static str {
        match self {
            Kind::Backbone => include_str!("templates/backbone.rs"),
            Kind::Dataset => include_str!("templates/dataset.rs"),
            Kind::Evaluator => include_str!("templates/evaluator.rs"),
            Kind::Head => include_str!("templates/head.rs"),
            Kind::Loss => include_str!("templates/loss.rs"),
            Kind::Proposals => include_str!("templates/proposals.rs"),
            Kind::Views => include_str!("templates/views.rs"),
        }
    }

    /// The directory of plugins of this kind, below `plugins/`.
    fn folder(self) -> &'static str {
        match self {
            Kind::Backbone => "backbones",
            Kind::Dataset => "datasets",
            Kind::Evaluator => "evaluators",
            Kind::Head => "heads",
            Kind::Loss => "losses",
            Kind::Proposals => "proposals",
            Kind::Views => "views",
        }
    }

    fn dependencies(self) -> &'static [&'static str] {
        match self {
            Kind::Dataset => &["anyhow", "image", "rand", "serde", "univip-core"],
            Kind::Backbone | Kind::Evaluator | Kind::Head | Kind::Loss => {
                &["anyhow", "candle-core", "serde", "univip-core"]
            }
            Kind::Proposals => &["anyhow", "serde", "univip-core"],
            Kind::Views => &["anyhow", "serde", "univip-core"],
        }
    }

    /// The setting of a recipe that uses it.
    fn use_it(self, name: &str) -> String {
        match self {
            Kind::Backbone => format!("--set network.backbone={name}"),
            Kind::Dataset => format!("--set data.use={name}"),
            Kind::Evaluator => format!("--set 'evaluators.use=[\"{name}\"]'"),
            Kind::Head => format!("--set head.projector.plugin={name}"),
            Kind::Loss => format!("--set 'losses.use=[\"{name}\"]'"),
            Kind::Proposals => format!("--set proposals.use={name}"),
            Kind::Views => format!("--set views.use={name}"),
        }
    }
}

/// Writes the crate `plugins/<kind>/<name>` and links it; returns what to tell the user.
///
/// # Errors
/// When the name is not lower-case words joined by hyphens, or is taken. Nothing is written then.
pub fn write(workspace: &Path, kind: Kind, name: &str) -> Result<Vec<String>> {
    check_name(name)?;
    let plugins = workspace.join("plugins");
    let directory = plugins.join(kind.folder()).join(name);
    let foreign = || Usage(format!("{} is not the univip workspace", workspace.display()));
    ensure!(plugins.join("linked.rs").exists(), foreign());
    // Also by a plugin of another kind: the crate's name has no kind.
    for kind in Kind::value_variants() {
        let taken = plugins.join(kind.folder()).join(name);
        ensure!(!taken.exists(), Usage(format!("{} exists already: choose another name", taken.display())));
    }
    let manifest = manifest(kind, name);
    let umbrella = umbrella_with(&read(&plugins.join("Cargo.toml"))?, kind, name)?;
    let linked = linked_with(&read(&plugins.join("linked.rs"))?, name);
    let source = kind.template().replace("my-plugin", name).replace("MyPlugin", &camel_case(name));

    save(&directory.join("Cargo.toml"), &manifest)?;
    save(&directory.join("src/lib.rs"), &source)?;
    save(&plugins.join("Cargo.toml"), &umbrella)?;
    save(&plugins.join("linked.rs"), &linked)?;
    Ok(vec![
        format!(
            "wrote plugins/{}/{name}/ and linked it in plugins/Cargo.toml and plugins/linked.rs",
            kind.folder()
        ),
        format!("test it:  cargo test --release -p univip-{name}"),
        format!("run it:   cargo xtask ablate table7 --row b --scale smoke {}", kind.use_it(name)),
    ])
}

fn check_name(name: &str) -> Result<()> {
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    if !name.split('-').all(word) {
        bail!(Usage(format!(
            "`{name}` cannot be a plugin's name: use lower-case words joined by hyphens, such as `my-loss`"
        )));
    }
    Ok(())
}

fn manifest(kind: Kind, name: &str) -> String {
    let dependencies: String =
        kind.dependencies().iter().map(|package| format!("{package}.workspace = true\n")).collect();
    format!(
        "[package]\nname = \"univip-{name}\"\ndescription = \"A plugin of univip.\"\nversion.workspace = true\n\
         edition.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\nkeywords.workspace = true\ncategories.workspace = true\n\n\
         [dependencies]\n{dependencies}\n[lints]\nworkspace = true\n"
    )
}

/// The umbrella's manifest with the new dependency, sorted.
fn umbrella_with(text: &str, kind: Kind, name: &str) -> Result<String> {
    let mut document: DocumentMut = text.parse().context("plugins/Cargo.toml")?;
    let dependencies =
        document["dependencies"].as_table_mut().context("plugins/Cargo.toml has no [dependencies]")?;
    let mut path = InlineTable::new();
    path.insert("path", format!("{}/{name}", kind.folder()).into());
    dependencies.insert(&format!("univip-{name}"), value(path));
    dependencies.sort_values();
    Ok(document.to_string())
}

/// The umbrella's source with the new line, sorted.
fn linked_with(text: &str, name: &str) -> String {
    let new = format!("use univip_{} as _;", name.replace('-', "_"));
    let (mut links, rest): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with("use univip_"));
    links.push(&new);
    links.sort_unstable();
    format!("{}\n\n{}\n", rest.join("\n").trim_end(), links.join("\n"))
}

fn camel_case(name: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('-').map(capital).collect()
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

fn save(path: &Path, text: &str) -> Result<()> {
    let writing = || format!("writing {}", path.display());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(writing)?;
    }
    fs::write(path, text).with_context(writing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_words_joined_by_hyphens() {
        for good in ["loss", "my-loss", "sim-clr2"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "My-loss", "my_loss", "my--loss", "-loss", "2fast", "../x", "a b"] {
            assert!(check_name(bad).unwrap_err().is::<Usage>(), "{bad}");
        }
    }

    #[test]
    fn a_new_plugin_is_linked_in_sorted_order() -> Result<()> {
        let manifest = "[lib]\npath = \"linked.rs\"\n\n[dependencies]\nunivip-a = { path = \"a\" }\nunivip-c = { path = \"c\" }\n";
        assert_eq!(
            umbrella_with(manifest, Kind::Loss, "b")?,
            "[lib]\npath = \"linked.rs\"\n\n[dependencies]\nunivip-a = { path = \"a\" }\nunivip-b = { path = \"losses/b\" }\nunivip-c = { path = \"c\" }\n"
        );
        let linked = "//! Doc.\n#![deny(x)]\n\nuse univip_a as _;\nuse univip_c as _;\n";
        assert_eq!(
            linked_with(linked, "b"),
            "//! Doc.\n#![deny(x)]\n\nuse univip_a as _;\nuse univip_b as _;\nuse univip_c as _;\n"
        );
        Ok(())
    }

    #[test]
    fn a_taken_name_writes_nothing() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let plugins = directory.path().join("plugins");
        save(&plugins.join("linked.rs"), "before")?;
        save(&plugins.join("Cargo.toml"), "[dependencies]\n")?;
        save(&plugins.join("losses/scene/Cargo.toml"), "")?;
        let error = write(directory.path(), Kind::Dataset, "scene").unwrap_err();
        assert!(error.to_string().contains("exists already"), "{error}");
        assert_eq!(read(&plugins.join("linked.rs"))?, "before");
        Ok(())
    }
}
