//! The recipes, loaded by their names.

use super::changed::{changed, changed_row, is_of_method};
use super::flatten::flatten;
use super::table::{self, TableFile};
use crate::usage::usage;
use anyhow::Result;
use std::path::{Path, PathBuf};
use univip_core::error::suggest;
use univip_core::recipe::{
    EMBEDDED_ROOT, Embedded, OF_MEASUREMENTS, Override, Recipe, Row, Settings, Sources,
};

/// The recipe of the untrained backbone that stands beside every table, as in the paper's Table 1.
pub(super) const RANDOM: &str = "random";

/// The beginning of the keys of the weights that training starts from.
const INIT: &str = "network.init";

/// The key of the images to learn from.
const DATA: &str = "data.use";

/// The sections that make an untrained backbone and its numbers; all others are about training.
const OF_BACKBONE: [&str; 9] =
    ["network", "backbone", "data", "probe_data", "dataset", "loader", "augment", "evaluators", "evaluator"];

/// The recipes and scales of this project, in the binary.
const EMBEDDED: Embedded = Embedded { files: include!(concat!(env!("OUT_DIR"), "/embedded.rs")) };

/// The recipes, and the settings laid over each of them.
#[derive(Clone)]
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

    /// The same, but that recipes start from the weights of a file and are not trained (`--init`).
    #[must_use]
    pub fn started_from(&self, weights: &Path) -> Self {
        let overlay = |key: &str, value: String| Override { key: key.into(), value, origin: "--init".into() };
        let mut overlays = self.overlays.clone();
        overlays.push(overlay(INIT, weights.display().to_string()));
        overlays.push(overlay("train.epochs", "0".into()));
        Self { overlays, ..self.clone() }
    }

    /// True if the images to learn from are set for all recipes (`--data`).
    pub(super) fn has_one_data(&self) -> bool {
        self.overlays.iter().any(|overlay| overlay.key == DATA)
    }

    /// The dataset that a recipe learns from, as it says itself.
    pub(super) fn stated_data(&self, name: &str) -> Result<String> {
        let mut overlays = self.overlays.clone();
        overlays.retain(|overlay| overlay.key != DATA);
        let (environment, sets) = (Sources::process_environment(), self.sets.clone());
        Ok(self.load_over(name, overlays, environment, sets)?.settings.data.name)
    }

    /// The same recipes with further settings laid over them.
    pub(super) fn with(&self, sets: &[String]) -> Self {
        Self { sets: [&self.sets[..], sets].concat(), ..self.clone() }
    }

    /// Loads a recipe: a file of the user's or, by its name (`table7/d`), one of the project's.
    pub fn load(&self, name: &str) -> Result<Recipe> {
        self.load_with(name, Sources::process_environment(), self.sets.clone())
    }

    /// The recipe of the untrained backbone: whatever is set for the losses of the others is not for it, nor the weights that they
    /// start from.
    pub(super) fn load_random(&self) -> Result<Recipe> {
        self.load_random_over(Vec::new())
    }

    /// The untrained backbone, measured as `recipe` says.
    pub(super) fn load_random_as(&self, recipe: &Recipe) -> Result<Recipe> {
        let Settings { probe_data, evaluators, .. } = &recipe.settings;
        let datasets = [&probe_data.name, &evaluators.scenes].map(|name| format!("dataset.{name}"));
        let datasets = datasets.iter().map(String::as_str).filter(|section| !section.ends_with('.'));
        let all = overlays_of(recipe, &OF_MEASUREMENTS.into_iter().chain(datasets).collect::<Vec<_>>())?;
        let random = self.load_random_over(all)?;
        if random.fingerprint() == self.load_random()?.fingerprint() {
            return Ok(random);
        }
        // The dataset is also the one that it would learn from, which is not the recipe's to say.
        self.load_random_over(overlays_of(recipe, &OF_MEASUREMENTS)?)
    }

    fn load_random_over(&self, measured: Vec<Override>) -> Result<Recipe> {
        let mut environment = Sources::process_environment();
        // Measurements and their settings are the rows' to say.
        let of_others = ["losses.", INIT, "evaluator.", "evaluators.", "probe_data."];
        environment.retain(|(name, _)| !of_others.iter().any(|key| variable_key(name).starts_with(key)));
        let mut sets = self.sets.clone();
        sets.retain(|set| !of_others.iter().any(|key| key_of(set).trim().starts_with(key)));
        let overlays = self.overlays.iter().cloned().chain(measured).collect();
        self.load_over(RANDOM, overlays, environment, sets)
    }

    /// The untrained backbone of `recipe`: its network, measured as it says.
    pub(super) fn load_untrained(&self, recipe: &Recipe) -> Result<Recipe> {
        self.load_over(RANDOM, overlays_of(recipe, &OF_BACKBONE)?, Vec::new(), Vec::new())
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
        let given = Path::new(name);
        if given.exists() || EMBEDDED.read(given).is_ok() {
            return Ok(given.into());
        }
        let known = self.known();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let problem = format!("no file and no recipe is called `{name}`; {}", suggest(name, &known));
        Err(usage("recipe", problem))
    }

    /// The names of the project's recipes.
    fn known(&self) -> Vec<String> {
        let recipes = self.directory.join("recipes");
        let mut known = recipes_in(&recipes);
        // Inherited by tables, and no recipe.
        known.retain(|name| name != "columns");
        for table in self.tables() {
            let names = recipes_in(&recipes.join(&table));
            known.extend(names.into_iter().map(|name| format!("{table}/{name}")));
        }
        known
    }

    /// The names of the project's tables, sorted.
    pub(super) fn tables(&self) -> Vec<String> {
        let recipes = self.directory.join("recipes");
        let is_table = |name: &String| EMBEDDED.read(&recipes.join(name).join(table::FILE)).is_ok();
        EMBEDDED.folders(&recipes).into_iter().filter(is_table).collect()
    }

    /// The directory of a table: the project's by its name, or one of the user's.
    ///
    /// # Errors
    /// A [`UsageError`](crate::usage::UsageError) when there is none, or it has no `table.toml`.
    pub(super) fn table_directory(&self, name: &str) -> Result<PathBuf> {
        let known = self.tables();
        if known.iter().any(|table| table == name) {
            return Ok(self.directory.join("recipes").join(name));
        }
        let own = Path::new(name);
        if own.join(table::FILE).is_file() {
            return Ok(own.into());
        }
        let problem = match own.is_dir() {
            true => format!(
                "{name} has no table.toml, which states the rows and columns of a table: see docs/tables.md, or copy one of \
                 the project's"
            ),
            false => {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                format!("unknown table `{name}`, and no directory; {}", suggest(name, &known))
            }
        };
        Err(usage("table", problem))
    }

    /// `table.toml` of a table's directory.
    pub(super) fn table_file(&self, directory: &Path) -> Result<TableFile> {
        TableFile::read(&directory.join(table::FILE), EMBEDDED)
    }

    /// True when a recipe can be used without what is laid over it.
    pub(super) fn loads_alone(&self, name: &str) -> bool {
        self.load_over(name, Vec::new(), Vec::new(), Vec::new()).is_ok()
    }
}

/// Sections of a recipe's resolved values as settings to lay over another; without the weights that training starts from, which are
/// no untrained ones.
fn overlays_of(recipe: &Recipe, sections: &[&str]) -> Result<Vec<Override>> {
    let origin = recipe.path.display().to_string();
    let mut values = Vec::new();
    for section in sections {
        let values_of = section.split('.').fold(recipe.resolved(), |table, name| &table[name]);
        flatten(section, values_of, &mut |key, value| {
            if !key.starts_with(INIT) {
                values.push((key, value.clone()));
            }
        });
    }
    let overlay = |(key, value)| -> Result<Override> {
        let value = toml::Value::try_from::<serde_json::Value>(value)?.to_string();
        Ok(Override { key, value, origin: origin.clone() })
    };
    values.into_iter().map(overlay).collect()
}

#[cfg(test)]
impl Library {
    /// The embedded recipes at the scale `smoke`.
    pub(super) fn at_smoke(sets: &[&str]) -> Self {
        let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
        Self::new("smoke", &sets, Vec::new())
    }
}

/// The names of a directory's recipes, sorted: which of several that cannot be used is named must not depend on the disk.
pub(super) fn recipes_in(directory: &Path) -> Vec<String> {
    let mut stems = EMBEDDED.toml_stems(directory);
    stems.retain(|stem| stem != "table");
    stems
}

/// `a.b` of `a.b=c`.
pub(super) fn key_of(set: &str) -> &str {
    set.split_once('=').map_or(set, |(key, _)| key)
}

/// `losses.use` of `UNIVIP_LOSSES__USE`.
fn variable_key(name: &str) -> String {
    name.trim_start_matches("UNIVIP_").to_lowercase().replace("__", ".")
}
