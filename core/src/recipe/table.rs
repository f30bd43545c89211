//! One plugin's table of a recipe, such as `[loss.instance]`.

use crate::error::RecipeError;
use anyhow::Result;
use figment::Figment;
use figment::providers::{Format, Toml};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The settings of a plugin or of a part of the engine.
///
/// Put `#[serde(deny_unknown_fields, default)]` on it, so that a misspelt key is refused and an absent
/// one takes its default.
pub trait Config: Serialize + DeserializeOwned {
    /// Refuses values that serde cannot: out of range, or contradicting each other.
    fn check(&self) -> Result<(), Invalid> {
        Ok(())
    }
}

/// A value that is out of range; the recipe adds the file it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Invalid {
    /// The key inside the table, dotted.
    pub key: &'static str,
    /// What is wrong and what was expected.
    pub problem: String,
}

/// One plugin's table of a recipe, with the memory of which file each value came from.
#[derive(Debug, Clone)]
pub struct Table {
    figment: Figment,
    path: String,
}

impl Table {
    /// The table at `path` (`loss.instance`) of layered settings; an absent table is an empty one.
    pub fn new(figment: Figment, path: impl Into<String>) -> Self {
        Self { figment, path: path.into() }
    }

    /// A table written out in TOML: for tests.
    pub fn of(text: &str) -> Self {
        let nested = format!("[table]\n{text}");
        Self::new(Figment::from(Toml::string(&nested)), "table")
    }

    /// Reads and checks it.
    ///
    /// # Errors
    /// [`RecipeError`] naming the file and the key: unknown key, wrong type, value out of range.
    pub fn read<C: Config>(&self) -> Result<C> {
        let figment = match self.figment.find_value(&self.path) {
            Ok(_) => self.figment.focus(&self.path),
            Err(_) => Figment::new(),
        };
        let config: C = figment.extract().map_err(|error| self.error(error.to_string(), ""))?;
        config.check().map_err(|invalid| self.error(invalid.problem, invalid.key))?;
        Ok(config)
    }

    /// Reads it and returns every value, defaults included.
    pub fn resolve<C: Config>(&self) -> Result<serde_json::Value> {
        Ok(serde_json::to_value(self.read::<C>()?)?)
    }

    fn error(&self, problem: String, key: &str) -> RecipeError {
        RecipeError { origin: "recipe".into(), key: format!("{}.{key}", self.path), problem }
    }
}
