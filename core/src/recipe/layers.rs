//! The layers of a recipe, each over the one before: the file that inherits nothing (`base.toml`), the scale, the files
//! that state their difference, overlays, the environment, `--set`.
//!
//! The scale is not over everything: a recipe of one's own that says `lr = 0.1` means it at every scale. What a recipe wants
//! otherwise at a scale, and at those that inherit it, it says in `[at.<scale>]`, which lies over the file's other values.

use super::files::Embedded;
use super::inherit::{File, files};
use super::layer::{Layer, Override};
use super::replaced::drop_replaced;
use crate::error::{RecipeError, suggest};
use crate::registry::Registry;
use anyhow::Result;
use figment::value::Dict;
use figment::{Figment, Metadata};
use std::path::{Path, PathBuf};

/// The sources of a recipe.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The recipe's file.
    pub path: PathBuf,
    /// The name of a file in `scales`, without `.toml`.
    pub scale: Option<String>,
    /// The folder of scales. What lies beside it (`recipes/...`) is shown by its path from its parent.
    pub scales: PathBuf,
    /// Files in the binary that `path` and `scales` may be among.
    pub embedded: Embedded,
    /// Settings that flags stand for, such as `--data`.
    pub overlays: Vec<Override>,
    /// Environment variables; those that start with `UNIVIP_` are settings:
    /// `UNIVIP_OPTIMIZER__LR=0.1`, `UNIVIP_LOSS__SCENE_INSTANCE__BIAS=false`.
    pub environment: Vec<(String, String)>,
    /// `key=value`, as `--set` takes them.
    pub sets: Vec<String>,
}

impl Sources {
    /// This process's environment variables that are settings.
    pub fn process_environment() -> Vec<(String, String)> {
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let all = std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value)));
        let mut settings: Vec<_> = all.filter(|(name, _)| name.starts_with(PREFIX)).collect();
        settings.sort();
        settings
    }
}

const PREFIX: &str = "UNIVIP_";

/// All layers, merged.
pub(super) struct Layers {
    pub figment: Figment,
    /// The recipe's own `[row]`, if it has one.
    pub row: Option<Figment>,
    /// The recipe's own `[sweep]`, if it has one.
    pub sweep: Option<Figment>,
    pub description: String,
    /// The folder that origins are shown from, by its true path.
    pub root: PathBuf,
}

pub(super) fn merge(sources: &Sources, registry: &Registry) -> Result<Layers> {
    let mut recipe = files(&sources.path, sources.embedded)?;
    let [mut row, mut sweep] = [None, None];
    for file in &mut recipe {
        let path = file.path.clone();
        let mut take = |section: &str| {
            let values = Dict::from([(section.to_string(), file.values.remove(section)?)]);
            Some(Figment::from(Layer { metadata: Metadata::from("recipe", path.as_path()), values }))
        };
        [row, sweep] = ["row", "sweep"].map(&mut take);
    }
    let description = recipe.last().map(|file| opening_comment(&file.text)).unwrap_or_default();
    let mut scales = Vec::new();
    if let Some(scale) = &sources.scale {
        let scale = files(&scale_path(sources, scale)?, sources.embedded)?;
        scales.extend(scale.iter().filter_map(|file| Some(file.path.file_stem()?.to_str()?.to_string())));
        refuse_shared(&recipe, &scale)?;
        let differences = recipe.split_off(1);
        recipe.extend(scale);
        recipe.extend(differences);
    }
    let mut files = Vec::new();
    for mut file in recipe {
        let at_scales = at_scales(&mut file, &scales, sources)?;
        for values in std::iter::once(file.values).chain(at_scales) {
            files.push(Layer { metadata: Metadata::from("recipe", file.path.as_path()), values });
        }
    }
    let overrides = overrides(sources, registry)?;
    drop_replaced(&mut files, &overrides);
    let figment = files.into_iter().chain(overrides).fold(Figment::new(), Figment::merge);
    let root = sources.scales.canonicalize().unwrap_or_else(|_| sources.scales.clone());
    let root = root.parent().map(Path::to_path_buf).unwrap_or_default();
    Ok(Layers { figment, row, sweep, description, root })
}

/// The settings laid over the files: flags, the environment, `--set`.
fn overrides(sources: &Sources, registry: &Registry) -> Result<Vec<Layer>> {
    let mut settings = sources.overlays.clone();
    settings.extend(from_environment(&sources.environment)?);
    settings.extend(from_sets(&sources.sets)?);
    let layer = |setting: Override| {
        let is_text = registry.is_place(&setting.key);
        Layer::of(setting, is_text)
    };
    settings.into_iter().map(layer).collect()
}

/// Takes `[at]` out of a file: its tables for the `scales` in use, each behind the one that it inherits.
fn at_scales(file: &mut File, scales: &[String], sources: &Sources) -> Result<Vec<Dict>> {
    let refused = |key: &str, problem: String| RecipeError {
        origin: file.path.display().to_string(),
        key: key.into(),
        problem,
    };
    let expected = |key: &str| refused(key, "expected a table, such as [at.small.optimizer]".into());
    let Some(at) = file.values.remove("at") else { return Ok(Vec::new()) };
    let mut at = at.into_dict().ok_or_else(|| expected("at"))?;
    let known = sources.embedded.toml_stems(&sources.scales);
    if let Some(odd) = at.keys().find(|name| !known.contains(name) && !known.is_empty()) {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        return Err(refused(&format!("at.{odd}"), format!("no such scale; {}", suggest(odd, &known))).into());
    }
    let of_scale = |scale: &String| {
        let values = at.remove(scale)?;
        Some(values.into_dict().ok_or_else(|| expected(&format!("at.{scale}")).into()))
    };
    scales.iter().filter_map(of_scale).collect()
}

/// A file that a recipe and its scale both inherit would undo what lies between.
fn refuse_shared(recipe: &[File], scale: &[File]) -> Result<()> {
    let of_recipe = |of_scale: &&File| recipe.iter().any(|file| file.identity == of_scale.identity);
    let Some(shared) = scale.iter().find(of_recipe) else { return Ok(()) };
    let heir = scale.last().map_or(String::new(), |file| file.path.display().to_string());
    let problem = format!(
        "the recipe is made of {} already; a scale states only its own values",
        shared.path.display()
    );
    Err(RecipeError { origin: heir, key: "inherit".into(), problem }.into())
}

/// A recipe whose list of losses is empty leaves the backbone as it was initialised, whatever the scale says of
/// epochs; a recipe that says nothing of losses is a mistake.
pub(super) fn without_training(figment: Figment, origin: &str) -> Result<Figment> {
    if figment.find_value("losses.use").is_err() {
        let problem = "missing: name at least one loss, or write `use = []` to leave the backbone untrained";
        let (origin, key) = (origin.into(), "losses.use".into());
        return Err(RecipeError { origin, key, problem: problem.into() }.into());
    }
    let setting =
        Override { key: "train.epochs".into(), value: "0".into(), origin: "losses.use is empty".into() };
    Ok(figment.merge(Layer::of(setting, false)?))
}

fn from_sets(sets: &[String]) -> Result<Vec<Override>> {
    let setting = |text: &String| match text.split_once('=') {
        Some((key, value)) => {
            Ok(Override { key: key.trim().into(), value: value.trim().into(), origin: "--set".into() })
        }
        None => {
            let problem = "expected key=value, such as optimizer.lr=0.1".into();
            Err(RecipeError { origin: "--set".into(), key: text.clone(), problem }.into())
        }
    };
    sets.iter().map(setting).collect()
}

fn from_environment(environment: &[(String, String)]) -> Result<Vec<Override>> {
    let settings =
        environment.iter().filter_map(|(name, value)| Some((name, name.strip_prefix(PREFIX)?, value)));
    let setting = |(name, rest, value): (&String, &str, &String)| {
        let Some(key) = environment_key(rest) else {
            let problem = "expected UNIVIP_SECTION__KEY, such as UNIVIP_OPTIMIZER__LR".into();
            return Err(RecipeError { origin: "environment".into(), key: name.clone(), problem }.into());
        };
        Ok(Override { key, value: value.clone(), origin: name.clone() })
    };
    settings.map(setting).collect()
}

/// `LOSS__SCENE_INSTANCE__BIAS` is `loss.scene-instance.bias`: a shell has no dashes in names, and plugins have
/// no underscores in theirs.
fn environment_key(rest: &str) -> Option<String> {
    let lower = rest.to_ascii_lowercase();
    let mut parts: Vec<String> = lower.split("__").map(String::from).collect();
    if parts.len() < 2 || parts.iter().any(String::is_empty) {
        return None;
    }
    let plugin = match parts[0].as_str() {
        "losses" if parts[1] == "weights" => 2,
        section if crate::registry::Kind::ALL.iter().any(|kind| kind.name() == section) => 1,
        _ => parts.len(),
    };
    if let Some(name) = parts.get_mut(plugin) {
        *name = name.replace('_', "-");
    }
    Some(parts.join("."))
}

fn scale_path(Sources { scales, embedded, .. }: &Sources, scale: &str) -> Result<PathBuf> {
    let known = embedded.toml_stems(scales);
    if known.iter().any(|name| name == scale) {
        return Ok(scales.join(format!("{scale}.toml")));
    }
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let problem = format!("no such scale in {}; {}", scales.display(), suggest(scale, &known));
    Err(RecipeError { origin: "--scale".into(), key: scale.into(), problem }.into())
}

fn opening_comment(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix('#'));
    lines.map(str::trim).collect::<Vec<_>>().join("\n")
}
