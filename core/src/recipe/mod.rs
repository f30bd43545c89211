//! Recipes: inherited files and layers of settings, resolved to one checked [`Recipe`].

mod files;
mod inherit;
pub(crate) mod init;
mod layer;
mod layers;
mod measurement;
mod replaced;
mod resolved;
mod sections;
mod show;
mod wiring;

use crate::error::{RecipeError, suggest};
use crate::registry::{Kind, Registry};
use anyhow::Result;
use figment::Figment;
use resolved::PluginTable;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;

pub use crate::data::{BrokenImage, DataChoice};
pub use crate::evaluation::{EvaluatorSettings, ProbeDataChoice};
pub use crate::losses::LossSettings;
pub use crate::networks::{HeadPlacement, HeadSettings, NetworkSettings, TargetSchedule, TargetSettings};
pub use crate::nn::optim::{
    OptimizerKind, OptimizerSettings, ParameterRule, RuleLr, ScheduleSemantics, ScheduleSettings,
};
pub use crate::proposals::settings::ProposalSettings;
pub use crate::training::TrainSettings;
pub use crate::views::augment::{AugmentSettings, Augmentation, BlurScale, Interpolation};
pub use crate::views::loader_settings::LoaderSettings;
pub use crate::views::settings::{InstanceAugmentation, ViewSettings};
pub use files::{EMBEDDED_ROOT, Embedded};
pub use inherit::whole_file;
pub use layer::Override;
pub use layers::Sources;
pub use measurement::Measurement;
pub use resolved::OF_MEASUREMENTS;
pub use sections::Settings;
pub use show::diff;
pub use univip_stdx::config::{Config, Invalid, Table};

/// A recipe with every layer merged and every value checked.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The engine's settings.
    pub settings: Settings,
    /// The row of its table that it is, if it says so.
    pub row: Option<Row>,
    /// The grid that it asks for around itself.
    pub sweep: Sweep,
    /// The comment that opens the recipe's file, without its `#`.
    pub description: String,
    /// The recipe's file, as it was given.
    pub path: PathBuf,
    /// The scale merged over it.
    pub scale: Option<String>,
    figment: Figment,
    root: PathBuf,
    resolved: serde_json::Value,
    fingerprint: String,
}

/// `[row]`: a recipe as a row of its table. It belongs to its own file: it is neither inherited nor part of the
/// fingerprint.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Row {
    /// `(d)`; the recipe's name where none is stated.
    pub label: String,
    /// The row in words.
    pub title: String,
    /// The paper's numbers by the names that the table's columns call them by: `top1`, `map`, in percent.
    pub paper: BTreeMap<String, f64>,
}

impl Config for Row {}

/// `[sweep]`: keys, and the values that each takes in turn around the recipe. As [`Row`], it belongs to its own file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sweep(pub BTreeMap<String, Vec<serde_json::Value>>);

impl Config for Sweep {}

impl Recipe {
    /// Reads and checks a recipe: inherited files, its own, the scale, overlays, environment, `--set`.
    ///
    /// # Errors
    /// [`RecipeError`], naming the file, variable or flag and the key: a file that is missing, inherited twice
    /// or no TOML; an unknown section, key, plugin or scale; a wrong type; a value out of range; a setting that
    /// contradicts another. Every plugin table is checked, in use or not.
    pub fn load(sources: &Sources) -> Result<Self> {
        let registry = Registry::linked()?;
        let layers::Layers { mut figment, row, sweep, description, root } =
            layers::merge(sources, &registry)?;
        let fallback = sources.path.display().to_string();
        let table = |figment: &Figment, key: &str| Table::in_recipe(figment.clone(), key, &fallback);

        refuse_unknown_sections(&table(&figment, ""))?;
        let losses: LossSettings = table(&figment, "losses").read()?;
        if losses.names.is_empty() {
            figment = layers::without_training(figment, &fallback)?;
        }
        figment = init::with_digest(figment, &fallback)?;
        let settings = Settings::read(|section| table(&figment, section))?;
        let recipe = Self {
            resolved: serde_json::to_value(&settings)?,
            settings,
            row: row.map(|row| table(&row, "row").read()).transpose()?,
            sweep: sweep.map(|sweep| table(&sweep, "sweep").read()).transpose()?.unwrap_or_default(),
            description,
            path: sources.path.clone(),
            scale: sources.scale.clone(),
            figment,
            root,
            fingerprint: String::new(),
        };
        recipe.check_plugin_tables(&registry)?;
        let plugins = recipe.resolved_plugins(&registry)?;
        recipe.check_wiring(&registry)?;
        let resolved = resolved::values(&recipe.settings, plugins.into_iter())?;
        Ok(Self { fingerprint: resolved::fingerprint(&resolved, &registry), resolved, ..recipe })
    }

    /// The table of a plugin, for [`crate::registry::Registration`]'s builders.
    pub fn table(&self, kind: Kind, name: &str) -> Table {
        self.at(&format!("{}.{name}", kind.name()))
    }

    /// The origin of a dotted key's value: a file (relative to the recipes' root, if it is inside), an
    /// environment variable, a flag, or `default`.
    pub fn origin(&self, key: &str) -> String {
        match self.figment.find_metadata(key) {
            Some(metadata) => univip_stdx::config::origin(metadata, Some(&self.root)),
            None => "default".into(),
        }
    }

    /// A [`RecipeError`] about a dotted key, with the origin of its value: for checks that need more than the
    /// recipe.
    pub fn error(&self, key: &str, problem: impl Into<String>) -> RecipeError {
        self.at("").error(key, problem.into())
    }

    /// Every value, defaults filled in: the settings, and the tables of the plugins in use.
    pub fn resolved(&self) -> &serde_json::Value {
        &self.resolved
    }

    /// 12 hexadecimal digits that tell one recipe's pre-training from another's: a digest of all [`Recipe::resolved`] that it
    /// depends on. What is measured, and on what (`[evaluators]`, `[evaluator.*]`, `[probe_data]` and its dataset), has a
    /// digest of its own ([`Measurement::digest`]); what changes no result (`loader.workers`, `loader.ahead`,
    /// `train.checkpoint_every`, `train.keep`) and [`Config::PLACES`] are left out.
    pub fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    /// The plugins that the recipe names, with the key that names them; but for those of heads and measurements, which have names
    /// of their own.
    pub fn plugins(&self) -> Vec<(Kind, &str, &'static str)> {
        let Settings { data, probe_data, proposals, views, network, losses, evaluators, .. } = &self.settings;
        let mut plugins = vec![
            (Kind::Backbone, network.backbone.as_str(), "network.backbone"),
            (Kind::Dataset, data.name.as_str(), "data.use"),
            (Kind::Dataset, probe_data.name.as_str(), "probe_data.use"),
            (Kind::Proposals, proposals.name.as_str(), "proposals.use"),
            (Kind::Views, views.name.as_str(), "views.use"),
        ];
        if !evaluators.scenes.is_empty() {
            plugins.push((Kind::Dataset, &evaluators.scenes, "evaluators.scenes"));
        }
        plugins.extend(losses.names.iter().map(|name| (Kind::Loss, name.as_str(), "losses.use")));
        plugins
    }

    fn at(&self, path: &str) -> Table {
        Table::in_recipe(self.figment.clone(), path, &self.path.display().to_string())
    }

    /// The tables of the plugins in use, with their defaults.
    fn resolved_plugins(&self, registry: &Registry) -> Result<Vec<PluginTable<'_>>> {
        let resolve = |(kind, name, key)| {
            let plugin = registry.get(kind, name, &self.at("").origin(key), key)?;
            Ok(PluginTable { kind, name, values: (plugin.resolve)(&self.table(kind, name))? })
        };
        let mut plugins: Vec<PluginTable<'_>> =
            self.plugins().into_iter().map(resolve).collect::<Result<_>>()?;
        // A backbone that has no settings of its own has no table: recipes are what they were before backbones were plugins.
        plugins.retain(|table| table.kind != Kind::Backbone || table.values != json!({}));
        for name in &self.settings.heads.names {
            plugins.push(PluginTable { kind: Kind::Head, name, values: self.resolved_head(name, registry)? });
        }
        let EvaluatorSettings { names, during, .. } = &self.settings.evaluators;
        for (names, key) in [(names, "evaluators.use"), (during, "evaluators.during")] {
            for name in names {
                let values = self.resolved_evaluator(name, key, registry)?;
                plugins.push(PluginTable { kind: Kind::Evaluator, name, values });
            }
        }
        Ok(plugins)
    }

    fn check_plugin_tables(&self, registry: &Registry) -> Result<()> {
        for kind in Kind::ALL {
            let tables = self.at(kind.name());
            for name in tables.keys()? {
                match kind {
                    Kind::Head => drop(self.resolved_head(&name, registry)?),
                    Kind::Evaluator => drop(self.resolved_evaluator(&name, &tables.key(&name), registry)?),
                    _ => self.check_plugin_table(kind, &name, registry)?,
                }
            }
        }
        Ok(())
    }

    fn check_plugin_table(&self, kind: Kind, name: &str, registry: &Registry) -> Result<()> {
        let table = self.table(kind, name);
        let plugin = registry.get(kind, name, &table.origin(""), &table.key(""))?;
        (plugin.resolve)(&table).map(drop)
    }
}

fn refuse_unknown_sections(recipe: &Table) -> Result<()> {
    let mut known = Settings::sections();
    known.extend(Kind::ALL.map(Kind::name));
    for section in recipe.keys()? {
        if !known.contains(&section.as_str()) {
            let problem = format!("unknown section; {}", suggest(&section, &known));
            return Err(recipe.error(&section, problem).into());
        }
    }
    Ok(())
}
