//! One layer of a recipe's settings: a file, a flag, a variable.

use crate::error::RecipeError;
use crate::toml_text::{self, DEEPEST};
use anyhow::Result;
use figment::util::nest;
use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

/// One setting from outside the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The dotted key.
    pub key: String,
    /// The value in TOML; what is no TOML is a string, and so is any value that a plugin declares a place
    /// ([`Config::PLACES`](super::Config::PLACES)).
    pub value: String,
    /// The flag or variable that says it.
    pub origin: String,
}

/// Settings, and where they came from.
pub(super) struct Layer {
    pub metadata: Metadata,
    pub values: Dict,
}

impl Layer {
    /// With `is_text` the value is a string even if it looks like a number.
    pub(super) fn of(setting: Override, is_text: bool) -> Result<Self> {
        let Override { key, value, origin } = setting;
        if key.is_empty() || key.split('.').any(|part| part.is_empty()) {
            let problem = "expected section.key, such as optimizer.lr".into();
            return Err(RecipeError { origin, key, problem }.into());
        }
        if key.split('.').count() > DEEPEST {
            let problem = format!("a key has at most {DEEPEST} parts");
            return Err(RecipeError { origin, key, problem }.into());
        }
        let value = match value_of(&value) {
            other if is_text && other.as_str().is_none() => value.into(),
            read => read,
        };
        let values = nest(&key, value).into_dict().unwrap_or_default();
        Ok(Self { metadata: Metadata::named(origin), values })
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

/// TOML where it is TOML (and no date, which no setting is), else a string.
fn value_of(text: &str) -> Value {
    let document: Option<toml::Table> = toml_text::parse(&format!("value = {text}")).ok();
    match document.map(|mut table| (table.remove("value"), table.is_empty())) {
        Some((Some(value), true)) if !matches!(value, toml::Value::Datetime(_)) => {
            Value::serialize(value).unwrap_or_else(|_| text.into())
        }
        _ => text.into(),
    }
}
