//! The recipes, loaded by their names.

use super::changed::{changed, changed_row, is_of_method};
use super::flatten::flatten;
use crate::usage::usage;
use anyhow::Result;
use std::path::{Path, PathBuf};
use univip_core::error::suggest;
use univip_core::recipe::{EMBEDDED_ROOT, Embedded, Override, Recipe, Row, Sources};

/// The tables that `ablate` takes, and the directories of recipes that each stands for, in the paper's order. `all` is the paper's tables of its own
/// method; `methods` stands beside them.
pub(super) const TABLES: [(&str, &[&str]); 8] = [
    ("table7", &["table7"]),
    ("table8a", &["table8a"]),
    ("table8b", &["table8b"]),
    ("table8c", &["table8c"]),
    ("table8", &["table8a", "table8b", "table8c"]),
    ("table9", &["table9"]),
    ("methods", &["methods"]),
    ("all", &["table7", "table8a", "table8b", "table8c", "table9"]),
];

/// The caption of a table, for the heading of its report; a plugin's or a user's table has none.
pub(super) fn caption(table: &str) -> &'static str {
    match table {
        "table7" => "effect of the three levels",
        "table8a" => "effect of the scene similarity",
        "table8b" => "effect of the region candidates",
        "table8c" => "effect of the number of instances K",
        "table9" => "effect of the iterations of Algorithm 1",
        _ => "",
    }
}

/// The recipe of the untrained backbone that stands beside every table, as in the paper's Table 1.
pub(super) const RANDOM: &str = "random";

/// The sections that make an untrained backbone and its numbers; all others are about training.
const OF_BACKBONE: [&str; 9] =
    ["network", "backbone", "data", "probe_data", "dataset", "loader", "augment", "evaluators", "evaluator"];

/// The recipes and scales of this project, in the binary.
const EMBEDDED: Embedded = Embedded { files: include!(concat!(env!("OUT_DIR"), "/embedded.rs")) };

/// The recipes, and the settings laid over each of them.
pub struct Library {
    /// The directory of `recipes/` and `scales/`: `--recipes`, or what is embedded.
    pub directory: PathBuf,
    /// The scale's name.
    pub scale: String,
    /// The settings that options such as `--data` stand for.
    pub overlays: Vec<Override>,
    /// `--set`.
    pub sets: Vec<String>,
}

impl Library {
    /// The recipes that are embedded in this binary with a scale, `--set` and what other flags stand for.
    pub fn new(scale: &str, sets: &[String], overlays: Vec<Override>) -> Self {
        Self { directory: EMBEDDED_ROOT.into(), scale: scale.into(), overlays, sets: sets.to_vec() }
    }

    /// The recipes and scales of a directory in place of the embedded ones, if one is given (`--recipes`).
    ///
    /// # Errors
    /// When it has no `recipes/` or no `scales/`.
    pub fn with_recipes(self, directory: Option<&Path>) -> Result<Self> {
        let Some(directory) = directory else { return Ok(self) };
        for part in ["recipes", "scales"] {
            if !directory.join(part).is_dir() {
                let problem = format!(
                    "{} has no directory `{part}`; expected recipes/ and scales/",
                    directory.display()
                );
                return Err(usage("--recipes", problem));
            }
        }
        Ok(Self { directory: directory.to_path_buf(), ..self })
    }

    /// Loads a recipe: a file of the user's or, by its name (`table7/d`), one of the project's.
    pub fn load(&self, name: &str) -> Result<Recipe> {
        self.load_with(name, Sources::process_environment(), self.sets.clone())
    }

    /// The recipe of the untrained backbone: whatever is set for the losses of the others is not for it.
    pub(super) fn load_random(&self) -> Result<Recipe> {
        let mut environment = Sources::process_environment();
        environment.retain(|(name, _)| !name.starts_with("UNIVIP_LOSSES__"));
        let mut sets = self.sets.clone();
        sets.retain(|set| !set.starts_with("losses."));
        self.load_with(RANDOM, environment, sets)
    }

    /// The untrained backbone of `recipe`: its network, measured as it says.
    pub(super) fn load_untrained(&self, recipe: &Recipe) -> Result<Recipe> {
        let origin = recipe.path.display().to_string();
        let mut values = Vec::new();
        for section in OF_BACKBONE {
            flatten(section, &recipe.resolved()[section], &mut |key, value| {
                // Weights that training starts from are no untrained ones.
                if !key.starts_with("network.init") {
                    values.push((key, value.clone()));
                }
            });
        }
        let overlay = |(key, value)| -> Result<Override> {
            let value = toml::Value::try_from::<serde_json::Value>(value)?.to_string();
            Ok(Override { key, value, origin: origin.clone() })
        };
        let overlays = values.into_iter().map(overlay).collect::<Result<_>>()?;
        self.load_over(RANDOM, overlays, Vec::new(), Vec::new())
    }

    /// The row of a recipe, if it is one: one that what is laid over it makes another says so.
    pub(super) fn row(&self, name: &str, recipe: &Recipe) -> Option<Row> {
        let row = recipe.row.clone()?;
        let mut laid = Vec::new();
        let mut other = |key: &str, text: String| {
            let other = !is_of_method(key);
            laid.extend((!other).then_some(text));
            other
        };
        let mut overlays = self.overlays.clone();
        overlays.retain(|each| other(&each.key, format!("{}={}", each.key, each.value)));
        let mut environment = Sources::process_environment();
        environment.retain(|(name, value)| other(&variable_key(name), format!("{name}={value}")));
        let mut sets = self.sets.clone();
        sets.retain(|set| other(key_of(set), set.clone()));
        if laid.is_empty() {
            return Some(row);
        }
        // A recipe that cannot be used without what is laid over it was never the paper's row.
        let changes = match self.load_over(name, overlays, environment, sets) {
            Ok(stated) => changed(stated.resolved(), recipe.resolved()),
            Err(_) => laid,
        };
        Some(changed_row(row, &changes))
    }

    /// The settings laid over each recipe, as `key=value`.
    pub(super) fn overrides(&self) -> Vec<String> {
        let flags = self.overlays.iter().map(|overlay| format!("{}={}", overlay.key, overlay.value));
        let environment = Sources::process_environment().into_iter();
        let environment = environment.map(|(name, value)| format!("{name}={value}"));
        flags.chain(environment).chain(self.sets.iter().map(|set| set.trim().to_string())).collect()
    }

    fn load_with(&self, name: &str, environment: Vec<(String, String)>, sets: Vec<String>) -> Result<Recipe> {
        self.load_over(name, self.overlays.clone(), environment, sets)
    }

    fn load_over(
        &self,
        name: &str,
        overlays: Vec<Override>,
        environment: Vec<(String, String)>,
        sets: Vec<String>,
    ) -> Result<Recipe> {
        Recipe::load(&Sources {
            path: self.path(name)?,
            scale: Some(self.scale.clone()),
            scales: self.directory.join("scales"),
            embedded: EMBEDDED,
            overlays,
            environment,
            sets,
        })
    }

    /// The file of a recipe.
    fn path(&self, name: &str) -> Result<PathBuf> {
        let own = self.directory.join("recipes").join(format!("{name}.toml"));
        if EMBEDDED.read(&own).is_ok() {
            return Ok(own);
        }
        if Path::new(name).exists() {
            return Ok(name.into());
        }
        let known = self.known()?;
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let problem = format!("no file and no recipe is called `{name}`; {}", suggest(name, &known));
        Err(usage("recipe", problem))
    }

    /// The names of the project's recipes.
    fn known(&self) -> Result<Vec<String>> {
        let mut known: Vec<String> =
            self.names("")?.iter().map(|name| name.trim_start_matches('/').to_string()).collect();
        for (table, _) in TABLES.iter().filter(|(name, tables)| *tables == [*name]) {
            known.extend(self.names(table)?);
        }
        Ok(known)
    }

    /// The names of the recipes of a table's directory, sorted: which of several that cannot be used is named must
    /// not depend on the disk.
    pub(super) fn names(&self, table: &str) -> Result<Vec<String>> {
        let directory = self.directory.join("recipes").join(table);
        let stems = EMBEDDED.toml_stems(&directory);
        if stems.is_empty() {
            return Err(usage("table", format!("{} has no recipe", directory.display())));
        }
        Ok(stems.into_iter().map(|stem| format!("{table}/{stem}")).collect())
    }
}

/// `a.b` of `a.b=c`.
fn key_of(set: &str) -> &str {
    set.split_once('=').map_or(set, |(key, _)| key)
}

/// `losses.use` of `UNIVIP_LOSSES__USE`.
fn variable_key(name: &str) -> String {
    name.trim_start_matches("UNIVIP_").to_lowercase().replace("__", ".")
}
