//! Measurements by name: the evaluator behind each, and the digest of all that its numbers depend on besides the backbone.

use super::Recipe;
use super::resolved::{tidy, without_keys, without_places};
use crate::digest::of_value;
use crate::error::{RecipeError, suggest};
use crate::evaluate::Evaluator;
use crate::evaluation::EvaluatorSettings;
use crate::registry::{Kind, Registration, Registry};
use anyhow::Result;
use serde_json::{Value, json};
use univip_stdx::config::Table;

/// The key that names the plugin, where the measurement is not called after it.
const PLUGIN: &str = EvaluatorSettings::PLUGIN;

/// A measurement that a recipe asks for, or could.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measurement {
    /// Its name in the recipe: `detection-2x`.
    pub name: String,
    /// The evaluator plugin: `detection`.
    pub plugin: &'static str,
    /// 12 hexadecimal digits that tell its numbers from those of any other measurement of the same backbone: a digest of the plugin,
    /// its settings, the version of its protocols ([`Evaluator::version`]) and what it measures on, which is the probe data or, where it
    /// uses none, the scenes of detectors. Its name, seeds and [`Config::PLACES`](super::Config::PLACES) are no part of it.
    pub digest: String,
    /// The names of the metrics that its evaluator may return ([`Evaluator::metrics`]).
    pub metrics: Vec<String>,
}

impl Recipe {
    /// The evaluator of a measurement, and the table of the plugin's own settings. `key` says where the name was read.
    ///
    /// # Errors
    /// [`RecipeError`] when no plugin is called so and the measurement's table names none, or one that is not known.
    pub fn evaluator(
        &self,
        name: &str,
        key: &str,
        registry: &Registry,
    ) -> Result<(&'static Registration, Table)> {
        let table = self.table(Kind::Evaluator, name);
        if table.keys()?.iter().any(|key| key == PLUGIN) {
            let (origin, key) = (table.origin(PLUGIN), table.key(PLUGIN));
            let Some(plugin) = self.text(&key) else {
                let known = suggest(name, &registry.names(Kind::Evaluator));
                return Err(table
                    .error(PLUGIN, format!("expected the name of an evaluator; {known}"))
                    .into());
            };
            let plugin = registry.get(Kind::Evaluator, &plugin, &origin, &key)?;
            return Ok((plugin, table.without(EvaluatorSettings::KEYS)));
        }
        let plugin = registry.get(Kind::Evaluator, name, &self.origin(key), key);
        Ok((plugin.map_err(|error| self.without_plugin(name, error, registry))?, table))
    }

    /// The error of a name that is no plugin's, and whose table states none.
    fn without_plugin(&self, name: &str, error: RecipeError, registry: &Registry) -> RecipeError {
        let named = self.at(Kind::Evaluator.name()).keys().unwrap_or_default();
        let states =
            |name: &String| self.text(&format!("{}.{name}.{PLUGIN}", Kind::Evaluator.name())).is_some();
        let named: Vec<String> = named.into_iter().filter(states).collect();
        let mut known = registry.names(Kind::Evaluator);
        known.extend(named.iter().map(String::as_str));
        let problem = format!(
            "unknown evaluator `{name}`; {}; a measurement with a name of its own states its evaluator, as in \
             [evaluator.{name}] use = \"{}\"",
            suggest(name, &known),
            known.first().copied().unwrap_or("knn")
        );
        RecipeError { problem, ..error }
    }

    /// A measurement of this recipe by the evaluator that was made from its table.
    ///
    /// # Errors
    /// As [`Recipe::evaluator`], and when a value is out of range.
    pub fn measurement(&self, name: &str, registry: &Registry, made: &dyn Evaluator) -> Result<Measurement> {
        let (plugin, table) = self.evaluator(name, "evaluators.use", registry)?;
        let settings = without_keys(tidy((plugin.resolve)(&table)?), plugin.places);
        let all = without_places(&self.resolved, registry);
        let dataset = |name: &str| all["dataset"][name].clone();
        let on = match made.uses_probe_data() {
            true => {
                json!({"probe_data": all["probe_data"], "dataset": dataset(&self.settings.probe_data.name)})
            }
            false => {
                let (scenes, _) = self.settings.evaluators.scenes(&self.settings.data.name);
                json!({"data": scenes, "dataset": dataset(scenes)})
            }
        };
        let digest = of_value(&json!({
            "evaluator": plugin.name, "version": made.version(), "settings": settings, "on": on
        }));
        Ok(Measurement { name: name.into(), plugin: plugin.name, digest, metrics: made.metrics() })
    }

    /// Every key of `[evaluator.<name>]`, defaults filled in.
    pub(super) fn resolved_evaluator(&self, name: &str, key: &str, registry: &Registry) -> Result<Value> {
        let (plugin, table) = self.evaluator(name, key, registry)?;
        let mut values = (plugin.resolve)(&table)?;
        if let (true, Value::Object(values)) = (plugin.name != name, &mut values) {
            values.insert(PLUGIN.into(), plugin.name.into());
        }
        Ok(values)
    }

    /// A value that is text.
    fn text(&self, key: &str) -> Option<String> {
        self.figment.find_value(key).ok()?.into_string()
    }
}
